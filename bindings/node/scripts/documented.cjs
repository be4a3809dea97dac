// Fails if a public name of the package, a member of it, a parameter or a result has no words of its own in the declarations.
'use strict';

const { join } = require('node:path');
const ts = require('typescript');

const entry = join(__dirname, '..', 'types', 'index.d.ts');
const program = ts.createProgram([entry], { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ['node'] });
const checker = program.getTypeChecker();

/** @param {readonly import('typescript').SymbolDisplayPart[] | undefined} parts */
const words = (parts) => ts.displayPartsToString([...(parts ?? [])]).trim();
const isPublic = ({ name }) => !name.startsWith('__') && !name.startsWith('#');
const aliased = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);

/** What of a call says nothing. */
function ofCall(signature, path) {
  const silent = signature.parameters.filter((one) => !words(one.getDocumentationComment(checker)));
  const found = silent.map(({ name }) => `${path}: parameter ${name}`);
  const result = checker.typeToString(signature.getReturnType());
  const told = signature.getJsDocTags().find(({ name }) => name === 'returns');
  const plain = ['void', 'string'].includes(result) || words(told?.text) !== '';
  return plain ? found : [...found, `${path}: what it returns`];
}

/** The members of a class, of an object, or of a type of objects. */
function membersOf(symbol, type) {
  const [declaration] = symbol.declarations;
  if (ts.isClassDeclaration(declaration)) {
    return [...symbol.members.values(), ...symbol.exports.values()].filter(({ name }) => name !== 'prototype');
  }
  if (ts.isVariableDeclaration(declaration)) return checker.getPropertiesOfType(type);
  const declared = checker.getDeclaredTypeOfSymbol(symbol);
  const isObject = ts.isTypeAliasDeclaration(declaration) && (declared.isIntersection() || declared.flags & ts.TypeFlags.Object);
  return isObject ? checker.getPropertiesOfType(declared) : [];
}

/** What of a symbol says nothing. Callbacks are the user's: their parameters are told of in the words about them. */
function silent(given, path, isCallback) {
  const symbol = aliased(given);
  const [declaration] = symbol.declarations ?? [];
  if (!declaration) return [];
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration);
  const own = words(given.getDocumentationComment(checker)) || words(symbol.getDocumentationComment(checker)) ? [] : [path];
  const calls = isCallback ? [] : type.getCallSignatures().flatMap((signature) => ofCall(signature, path));
  const members = membersOf(symbol, type).filter(isPublic);
  return [...own, ...calls, ...members.flatMap((member) => silent(member, `${path}.${member.name}`, path === 'Handler'))];
}

const module_ = checker.getSymbolAtLocation(program.getSourceFile(entry));
const names = checker.getExportsOfModule(module_);
const found = names.flatMap((symbol) => silent(symbol, symbol.name, false));
for (const name of found) console.error(`types/index.d.ts: ${name} is not documented`);
process.exitCode = found.length > 0 || names.length === 0 ? 1 : 0;
