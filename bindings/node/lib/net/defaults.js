// How connections to names with several addresses are tried, unless they say it themselves.
'use strict';

const node = require('node:net');

const { expectBoolean, expectInteger } = require('./arguments.js');

const defaults = {
  autoSelectFamily: node.getDefaultAutoSelectFamily?.() ?? true,
  attemptTimeout: node.getDefaultAutoSelectFamilyAttemptTimeout?.() ?? 250,
};

/** @param {boolean} value */
function setDefaultAutoSelectFamily(value) {
  expectBoolean(value, 'value');
  defaults.autoSelectFamily = value;
}

/** @param {number} value */
function setDefaultAutoSelectFamilyAttemptTimeout(value) {
  expectInteger(value, 'value', 1);
  defaults.attemptTimeout = Math.max(value, 10);
}

const getDefaultAutoSelectFamily = () => defaults.autoSelectFamily;
const getDefaultAutoSelectFamilyAttemptTimeout = () => defaults.attemptTimeout;

module.exports = {
  defaults,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
};
