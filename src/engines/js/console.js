// The console, written the way Node's prints values. The one parameter writes a line.
(function (write) {
  'use strict';
  const MOST_DEPTH = 2, MOST_ITEMS = 100, WIDTH = 72;
  const { stringify } = JSON;
  const { keys, getPrototypeOf, getOwnPropertyDescriptor } = Object;

  const key = name => /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name);
  const quote = text => {
    const inner = stringify(text).slice(1, -1);
    if (text.includes("'") && !text.includes('"')) return `"${inner}"`;
    return "'" + inner.replace(/\\"/g, '"').replace(/'/g, "\\'") + "'";
  };

  function scalar(value) {
    switch (typeof value) {
      case 'string': return quote(value);
      case 'bigint': return value + 'n';
      case 'number': return Object.is(value, -0) ? '-0' : String(value);
      case 'function': {
        if (/^class\b/.test(Function.prototype.toString.call(value))) {
          const parent = getPrototypeOf(value)?.name;
          return `[class ${value.name || '(anonymous)'}${parent ? ' extends ' + parent : ''}]`;
        }
        return value.name ? `[Function: ${value.name}]` : '[Function (anonymous)]';
      }
      default: return String(value);
    }
  }

  // Short parts stand in one line, others in one each.
  function block(open, parts, close, indent) {
    if (parts.length === 0) return open + close;
    const length = parts.reduce((sum, part) => sum + part.length + 2, open.length);
    if (length <= WIDTH && !parts.some(part => part.includes('\n'))) {
      return `${open} ${parts.join(', ')} ${close}`;
    }
    const inner = indent + '  ';
    return `${open}\n${inner}${parts.join(',\n' + inner)}\n${indent}${close}`;
  }

  function inspect(value, depth, indent, around) {
    if (value === null || typeof value !== 'object') return scalar(value);
    if (value instanceof Error) {
      const stack = String(value.stack ?? '').trimEnd();
      return `${value.name}: ${value.message}` + (stack ? '\n' + stack : '');
    }
    if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RegExp) return String(value);
    for (const Boxed of [Number, String, Boolean, BigInt, Symbol]) {
      if (value instanceof Boxed) return `[${Boxed.name}: ${scalar(value.valueOf())}]`;
    }
    if (around.includes(value)) return '[Circular]';
    const maker = getPrototypeOf(value)?.constructor?.name;
    const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
    if (depth > MOST_DEPTH) return isList ? '[Array]' : `[${maker ?? 'Object'}]`;
    const inside = [...around, value], inner = indent + '  ';
    const show = item => inspect(item, depth + 1, inner, inside);
    const field = name => {
      const { get, set } = getOwnPropertyDescriptor(value, name) ?? {};
      if (!get && !set) return `${key(name)}: ${show(value[name])}`;
      return `${key(name)}: [${[get && 'Getter', set && 'Setter'].filter(Boolean).join('/')}]`;
    };
    const cut = (parts, count) =>
      count > MOST_ITEMS ? [...parts, `... ${count - MOST_ITEMS} more items`] : parts;
    if (isList) {
      const items = [];
      for (let i = 0; i < value.length && items.length < MOST_ITEMS; i++) {
        if (i in value) {
          items.push(show(value[i]));
        } else {
          let end = i;
          while (end < value.length && !(end in value)) end++;
          items.push(`<${end - i} empty item${end - i > 1 ? 's' : ''}>`);
          i = end - 1;
        }
      }
      const named = Array.isArray(value) ? keys(value).filter(name => !/^\d+$/.test(name)) : [];
      const parts = [...cut(items, value.length), ...named.map(field)];
      const open = maker && maker !== 'Array' ? `${maker}(${value.length}) [` : '[';
      return block(open, parts, ']', indent);
    }
    if (value instanceof Map) {
      const parts = [...value].slice(0, MOST_ITEMS).map(([k, v]) => `${show(k)} => ${show(v)}`);
      return block(`Map(${value.size}) {`, cut(parts, value.size), '}', indent);
    }
    if (value instanceof Set) {
      const parts = [...value].slice(0, MOST_ITEMS).map(show);
      return block(`Set(${value.size}) {`, cut(parts, value.size), '}', indent);
    }
    if (value instanceof Promise) return 'Promise {}';
    const names = keys(value);
    const label = maker === undefined ? '[Object: null prototype] ' : maker === 'Object' ? '' : maker + ' ';
    return block(label + '{', cut(names.slice(0, MOST_ITEMS).map(field), names.length), '}', indent);
  }

  const inspected = value => inspect(value, 0, '', []);
  const plain = value => typeof value === 'string' ? value : inspected(value);

  // The first text may hold %s, %d, %i, %f, %j, %o, %O, %c and %%, as in browsers.
  function format(args) {
    if (typeof args[0] !== 'string' || args.length < 2) return args.map(plain).join(' ');
    let next = 1;
    const text = args[0].replace(/%([sdifjoOc%])/g, (all, letter) => {
      if (letter === '%') return '%';
      if (next >= args.length) return all;
      const value = args[next++];
      switch (letter) {
        case 's': return typeof value === 'symbol' ? String(value) : plain(value);
        case 'd': return typeof value === 'bigint' ? value + 'n' : String(Number(value));
        case 'i': return typeof value === 'bigint' ? value + 'n' : String(parseInt(value));
        case 'f': return String(parseFloat(value));
        case 'j': return stringify(value);
        case 'c': return '';
        default: return inspected(value);
      }
    });
    return [text, ...args.slice(next).map(plain)].join(' ');
  }

  let indent = '';
  const counts = new Map(), timers = new Map();
  const print = (...args) => {
    const text = format(args);
    write(indent ? indent + text.replaceAll('\n', '\n' + indent) : text);
  };
  const console = {
    log: print, info: print, debug: print, warn: print, error: print,
    trace: (...args) => print('Trace:', ...args),
    dir: value => print(inspected(value)),
    assert: (good, ...args) => { if (!good) print('Assertion failed' + (args.length ? ':' : ''), ...args); },
    group: (...args) => { if (args.length) print(...args); indent += '  '; },
    groupEnd: () => { indent = indent.slice(2); },
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      print(`${label}: ${counts.get(label)}`);
    },
    countReset: (label = 'default') => { counts.delete(label); },
    time: (label = 'default') => { timers.set(label, Date.now()); },
    timeLog: (label = 'default', ...args) => print(`${label}: ${Date.now() - timers.get(label)}ms`, ...args),
    timeEnd: (label = 'default') => { console.timeLog(label); timers.delete(label); },
  };
  return { console, print };
})
