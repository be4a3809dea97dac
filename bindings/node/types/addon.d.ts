declare const _exports: typeof import("../types/native.js");
export = _exports;
