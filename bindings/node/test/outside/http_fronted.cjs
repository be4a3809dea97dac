// Required before a program of somebody else's, behind substitute.cjs: what an http server listens at is a server of
// reactor-engine/net, which gives it its connections.
'use strict';

const http = require('node:http');
const net = require('../../lib/net/index.js');

const FRONT = Symbol('front');
const { prototype } = http.Server;
const { close: closeOwn } = prototype;

prototype.listen = function listen(...args) {
  const front = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.emit('connection', socket));
  this[FRONT] = front;
  const callback = args.at(-1);
  if (typeof callback === 'function') this.once('listening', args.pop());
  front.on('listening', () => this.emit('listening'));
  front.on('error', (error) => this.emit('error', error));
  front.on('close', () => this.emit('close'));
  front.listen(...args);
  return this;
};

prototype.address = function address() {
  return this[FRONT]?.address() ?? null;
};

prototype.close = function close(callback) {
  if (!this[FRONT]) return closeOwn.call(this, callback);
  this.closeIdleConnections();
  this[FRONT].close(callback);
  return this;
};

Object.defineProperty(prototype, 'listening', {
  get() {
    return Boolean(this[FRONT]?.listening);
  },
});
