// The slow ways of functions of the library: where an object may claim any length, every access to it is
// a call, at which QuickJS looks up. Made with the Proxy that no script has touched, it takes the
// function's name, the function, `this` and the arguments.
(Proxy => {
  'use strict';
  const { apply, defineProperty, deleteProperty, get, has, set } = Reflect;
  const { isArray } = Array;
  const { slice } = Array.prototype;
  const { max, min, trunc } = Math;
  const { isConcatSpreadable } = Symbol;

  // The same object, in steps. What the proxy stands before is not the object, which may be a proxy
  // itself and would be asked more than once.
  const stepped = object => new Proxy(isArray(object) ? [] : {}, {
    __proto__: null,
    get: (_, key) => get(object, key),
    set: (_, key, value) => set(object, key, value),
    has: (_, key) => has(object, key),
    deleteProperty: (_, key) => deleteProperty(object, key),
  });

  // The same iterator, whose methods are plain functions.
  const plain = {
    __proto__: null,
    get(object, key) {
      const value = get(object, key);
      return typeof value === 'function' ? (...args) => apply(value, object, args) : value;
    },
  };

  const isObject = value => Object(value) === value;
  const integer = value => trunc(+value) || 0;
  const lengthOf = object => min(max(integer(object.length), 0), Number.MAX_SAFE_INTEGER);
  const spreads = value => {
    if (!isObject(value)) return false;
    const said = value[isConcatSpreadable];
    return said === undefined ? isArray(value) : said;
  };

  const descriptor = { __proto__: null, writable: true, enumerable: true, configurable: true };
  const plainly = value => {
    descriptor.value = value;
    return descriptor;
  };

  function flatten(source, depth, target, at) {
    for (let i = 0, length = lengthOf(source); i < length; i++) {
      if (!(i in source)) continue;
      const value = source[i];
      if (depth > 0 && isArray(value)) {
        at = flatten(value, depth - 1, target, at);
      } else if (defineProperty(target, at, plainly(value))) {
        at++;
      } else {
        throw new TypeError('property is not configurable');
      }
    }
    return at;
  }

  return (name, method, self, ...args) => {
    if (name === 'raw') {
      const raw = args[0]?.raw;
      if (isObject(raw)) args[0] = { raw: stepped(raw) };
      return apply(method, self, args);
    }
    // What is no object is the function's own to refuse.
    if (self === undefined || self === null) return apply(method, self, args);
    const object = Object(self);
    switch (name) {
      case 'drop':
        return apply(method, object === self ? new Proxy(self, plain) : self, args);
      case 'concat': {
        const each = value => spreads(value) ? stepped(value) : value;
        return apply(method, each(object), args.map(each));
      }
      case 'flat': {
        const depth = args[0] === undefined ? 1 : integer(args[0]);
        const target = apply(slice, object, [0, 0]);
        flatten(object, depth, target, 0);
        plainly(undefined);
        return target;
      }
      case 'flatMap':
        if (typeof args[0] === 'function') {
          const [map, that] = args;
          args[0] = (value, index) => apply(map, that, [value, index, object]);
        }
    }
    const proxy = stepped(object);
    const result = apply(method, proxy, args);
    return result === proxy ? object : result;
  };
})
