//! JavaScript as its authors expect it: the language itself, names, modules in text, the console.

#![cfg(all(feature = "js", feature = "lua"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod js_support;

use calog::{Context, ErrorKind, Value};
use futures::future::join_all;
use js_support::*;

/// Snippets, each the body of a strict async function, and what they return: a list as its items
/// with ` | ` between them, what is no text as JSON.
const LANGUAGE: &[(&str, &str)] = &[
    // Classes: fields, private members, statics, accessors, inheritance.
    (
        r"class A { x = 1; #y = 2; static s = 3; #m() { return this.#y; } get y() {
     return this.#m(); } set y(v) { this.#y = v; } static { A.t = A.s + 1;
     } } const a = new A; a.y = 5; return [a.x, a.y, A.s, A.t, Object.keys(a)];",
        r#"1 | 5 | 3 | 4 | ["x"]"#,
    ),
    (
        r"class A { constructor(n) { this.n = n; } hi() { return 'A' + this.n; } static make() {
     return new this(7); } } class B extends A { constructor(n) { super(n + 1);
     } hi() { return 'B' + super.hi(); } } return [new B(1).hi(), B.make().hi(),
     new B(1) instanceof A, B.name, B.length];",
        "BA2 | BA8 | true | B | 1",
    ),
    (
        r"class A { #p = 1; static has(o) { return #p in o; } } let e; try {
     A.prototype.constructor.has(null); } catch (x) { e = x.name;
     } return [A.has(new A), A.has({}), e];",
        "true | false | TypeError",
    ),
    (
        r"class A { constructor() { return { other: new.target === A };
     } } return [new A().other, typeof A, (() => { try { A(); } catch (e) {
     return e.name; } })()];",
        "true | function | TypeError",
    ),
    (
        r"class E extends Error { constructor(m, code) { super(m); this.name = 'E';
     this.code = code; } } try { throw new E('no', 7); } catch (e) {
     return [e instanceof E, e instanceof Error, String(e), e.code, typeof e.stack]; }",
        "true | true | E: no | 7 | string",
    ),
    (
        r"class Stack extends Array { top() { return this.at(-1); } } const s = Stack.from([1,
     2, 3]); return [s.top(), s.map(x => x * 2).top(), s instanceof Array, s.length];",
        "3 | 6 | true | 3",
    ),
    (
        r"const C = class Named { static #count = 0; static next() { return ++Named.#count; } };
     C.next(); return [C.next(), C.name];",
        "2 | Named",
    ),
    (
        r"const o = { f() { return super.toString === Object.prototype.toString; },
     get ['a' + 1]() { return 1; }, __proto__: { inherited: 2 } }; return [o.f(),
     o.a1, o.inherited, Object.keys(o)];",
        r#"true | 1 | 2 | ["f","a1"]"#,
    ),
    // Closures, hoisting, scopes.
    (
        "const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i); return fs.map(f => f());",
        "0 | 1 | 2",
    ),
    (
        r"const counter = (() => { let n = 0; return { up: () => ++n, get n() { return n; } };
     })(); counter.up(); counter.up(); return counter.n;",
        "2",
    ),
    (
        r"return (() => { const before = typeof hoisted; function hoisted() {} let e; try {
     early; } catch (x) { e = x.name; } let early = 1; return [before, e, early];
     })();",
        "function | ReferenceError | 1",
    ),
    (
        r"const f = function fact(n) { return n < 2 ? 1 : n * fact(n - 1); }; return [f(10),
     f.name, f.length];",
        "3628800 | fact | 1",
    ),
    (
        r"return (function () { return [arguments.length, [...arguments].join(''), typeof this];
     })('a', 'b');",
        "2 | ab | undefined",
    ),
    (
        r"const add = (a, b = a * 2, ...rest) => a + b + rest.length; return [add(1), add(1, 1),
     add(1, 1, 5, 5), add.length];",
        "3 | 2 | 4 | 1",
    ),
    (
        r"return [(function () { return this; }).call(5), Math.max.apply(null, [1, 9, 3]), ((a,
     b) => a + b).bind(null, 1)(2)];",
        "5 | 9 | 3",
    ),
    // Generators and iterators.
    (
        r"function* g(n) { const got = yield n; try { yield got + 1; } finally {
     yield 'cleanup'; } return 'end'; } const it = g(1); return [it.next().value,
     it.next(10).value, it.return('r').value, it.next().value, it.next().done];",
        "1 | 11 | cleanup | r | true",
    ),
    (
        r"function* inner() { const x = yield 'a'; return x + '!'; } function* outer() {
     const r = yield* inner(); yield r; yield* [1, 2]; } const it = outer();
     return [it.next().value, it.next('X').value, [...it]];",
        "a | X! | [1,2]",
    ),
    (
        r"function* nat() { let n = 0; while (true) yield n++; } const out = [];
     for (const n of nat()) { if (n > 5) break; if (n % 2) continue; out.push(n);
     } return out;",
        "0 | 2 | 4",
    ),
    (
        r"function* g() { try { yield 1; } catch (e) { yield 'caught ' + e; } } const it = g();
     it.next(); return [it.throw('x').value, it.next().done];",
        "caught x | true",
    ),
    (
        r"async function* g() { for (let i = 0; i < 3; i++) { await null; yield i * i;
     } } const out = []; for await (const v of g()) out.push(v); return out;",
        "0 | 1 | 4",
    ),
    (
        r"async function* g() { try { yield 1; yield 2; } finally { log.push('closed');
     } } const log = []; for await (const v of g()) { log.push(v); break;
     } return log;",
        "1 | closed",
    ),
    (
        r"const out = []; for await (const v of [Promise.resolve('p'), 'v', {
     then: f => f('thenable') }]) out.push(v); return out;",
        "p | v | thenable",
    ),
    (
        r"class Range { constructor(a, b) { this.a = a; this.b = b; } *[Symbol.iterator]() {
     for (let i = this.a; i <= this.b; i++) yield i; } } return [[...new Range(2, 5)],
     Math.max(...new Range(1, 4)), Array.from(new Range(1, 3), x => x * x)];",
        "[2,3,4,5] | 4 | [1,4,9]",
    ),
    (
        r"const [a, , b = 5, ...rest] = (function* () { yield 1; yield 2; yield undefined;
     yield 4; yield 5; })(); return [a, b, rest];",
        "1 | 5 | [4,5]",
    ),
    (
        "return [[1, 2, 3, 4].values().filter(x => x % 2 === 0).map(x => x * 10).toArray()];",
        "[20,40]",
    ),
    // Template strings, strings.
    (
        r"const n = 3; return [`a${n}b${`c${n + 1}`}`, `line
two`, `\u{1F600}`.length, String.raw`\n${n}`];",
        r"a3bc4 | line
two | 2 | \n3",
    ),
    (
        r"const tag = (parts, ...values) => parts.raw.join('_') + values.join(',');
     return [tag`a${1}\n${2}z`, (t => t)`x` === (t => t)`x`,
     Array.isArray((p => p)`q`), Object.isFrozen((p => p)`q`)];",
        r"a_\n_z1,2 | false | true | true",
    ),
    (
        r"return ['abc'.at(-1), 'a-b-c'.replaceAll('-', '+'), 'x'.padStart(3, 'ab'),
     ' t '.trim(), 'ab'.repeat(2), [...'a\u{1F600}b'].length, 'ß'.toUpperCase(),
     'İ'.toLowerCase().length, '\u0041\u030A'.normalize('NFC').length];",
        "c | a+b+c | abx | t | abab | 3 | SS | 2 | 1",
    ),
    (
        r"return ['a,b,,c'.split(','), 'abc'.codePointAt(1),
     String.fromCodePoint(0x1F600).length, 'abc'.localeCompare('abd'), 'b' > 'a',
     'ab\ud800'.isWellFormed(), 'ab\ud800'.toWellFormed().charCodeAt(2)];",
        r#"["a","b","","c"] | 98 | 2 | -1 | true | false | 65533"#,
    ),
    // Regular expressions.
    (
        r"const m = /(?<year>\d{4})-(?<month>\d\d)/.exec('on 2024-05-06'); return [m.index,
     m[0], m.groups.year, m.groups.month, m.length];",
        "3 | 2024-05 | 2024 | 05 | 3",
    ),
    (
        r"return ['aBc'.replace(/[a-z]/gi, c => c === 'B' ? '<B>' : c.toUpperCase()),
     'a1b22'.replace(/(\w)(\d+)/g, '$2$1'),
     'John Smith'.replace(/(?<f>\w+) (?<l>\w+)/, '$<l> $<f>')];",
        "A<B>C | 1a22b | Smith John",
    ),
    (
        r"const r = /a./y; const s = 'abacad'; const out = []; while (true) {
     const m = r.exec(s); if (!m) break; out.push(m[0], r.lastIndex);
     } r.lastIndex = 1; return [out, r.test(s), r.lastIndex];",
        r#"["ab",2,"ac",4,"ad",6] | false | 0"#,
    ),
    (
        r"return [/^\p{Lu}\p{Ll}+$/u.test('Émile'), /^.$/u.test('\u{1F600}'),
     /^.$/.test('\u{1F600}'), 'ÀÉ'.match(/\p{L}/gu), /\u{61}/u.test('a'),
     /[\p{Emoji}--\d]/v.test('5'), /^\p{Script=Greek}+$/u.test('αβγ')];",
        r#"true | true | false | ["À","É"] | true | false | true"#,
    ),
    (
        r"return [[...'a1b2'.matchAll(/[a-z](\d)/g)].map(m => m[1] + '@' + m.index),
     /(?<=\$)\d+/.exec('a $42')[0], /(?<!x)y/.test('xy'), /a.b/s.test('a\nb'),
     /^b/m.test('a\nb'), /(a)|b/d.exec('b').indices[1]];",
        r#"["1@0","2@2"] | 42 | false | true | true | undefined"#,
    ),
    (
        r"return ['aXbX'.split(/x/i), /\bfoo\b/.test('a foo b'), 'x'.search(/y/),
     RegExp('a+').source, /a/gi.flags, /[\]\/]/.source, new RegExp('/').source];",
        r#"["a","b",""] | true | -1 | a+ | gi | [\]\/] | \/"#,
    ),
    // JSON.
    (
        r#"return [JSON.stringify({ a: [1, null, undefined, () => 1, NaN], b: undefined,
     c: new Date(0), d: 'q"\n\u2028' }), JSON.stringify([1, { b: 2 }], null, 1),
     JSON.stringify({ a: 1, b: 2 }, ['b']), JSON.stringify('\ud800')];"#,
        r#"{"a":[1,null,null,null,null],"c":"1970-01-01T00:00:00.000Z","d":"q\"\n "} | [
 1,
 {
  "b": 2
 }
] | {"b":2} | "\ud800""#,
    ),
    (
        r#"return [JSON.parse('{"a":[1,{"b":null}],"__proto__":5}').a[1].b, JSON.parse('[1,2]',
     (k, v) => typeof v === 'number' ? v * 2 : v), JSON.stringify({
     toJSON: k => 'J' + k }), (() => { try { JSON.parse('{a}'); } catch (e) {
     return e.name; } })()];"#,
        r#"null | [2,4] | "J" | SyntaxError"#,
    ),
    (
        r"const o = {}; o.o = o; let c; try { JSON.stringify(o); } catch (e) { c = e.name;
     } let b; try { JSON.stringify(1n); } catch (e) { b = e.name; } return [c, b,
     JSON.stringify(Object.create({ x: 1 })), JSON.stringify(new Map([[1, 2]]))];",
        "TypeError | TypeError | {} | {}",
    ),
    // Map, Set, weak ones.
    (
        r"const m = new Map([[NaN, 'n'], ['a', 1], [0, 'z']]); m.set(-0, 'zz').delete('a');
     return [m.get(NaN), m.get(0), m.size, [...m.keys()].map(String), Map.groupBy([1,
     2, 3], x => x % 2 ? 'odd' : 'even').get('odd')];",
        r#"n | zz | 2 | ["NaN","0"] | [1,3]"#,
    ),
    (
        r"const s = new Set([3, 1, 3]); s.add(2); return [[...s], s.has(1), s.size,
     [...s.union(new Set([9]))], [...s.intersection(new Set([1, 2]))],
     s.isSubsetOf(new Set([1, 2, 3, 4]))];",
        "[3,1,2] | true | 3 | [3,1,2,9] | [1,2] | true",
    ),
    (
        r"const w = new WeakMap, k = {}; w.set(k, 1); return [w.get(k), w.has({}),
     new WeakSet([k]).has(k), new WeakRef(k).deref() === k];",
        "1 | false | true | true",
    ),
    (
        r"const m = new Map([[1, 1], [2, 2]]); const seen = []; m.forEach((v, k) => {
     seen.push(k); if (k === 1) { m.delete(2); m.set(3, 3); } }); return seen;",
        "1 | 3",
    ),
    // Numbers and BigInt.
    (
        r"return [0.1 + 0.2, 1 / 0, -1 / 0, 0 / 0, -0, 2 ** 53, 1e21, 5 % -3, -5 % 3,
     0b11 + 0o17 + 0xff, 1_000, (255).toString(16), (0.000001234).toString(),
     (1.005).toFixed(2), (123.456).toPrecision(4), parseInt('12px'), Number(''),
     +'0x10'];",
        "0.30000000000000004 | null | null | null | -0 | 9007199254740992 | 1e+21 | 2 | -2 | 273 | 1000 | ff | 0.000001234 | 1.00 | 123.5 | 12 | 0 | 16",
    ),
    (
        r"return [2n ** 64n, 7n / 2n, -7n % 3n, BigInt(2 ** 53), BigInt.asIntN(8, 255n),
     BigInt.asUintN(64, -1n), 1n < 2, 2n == 2, typeof 1n, BigInt('0xff'), 5n & 3n,
     -1n >> 70n];",
        "18446744073709551616n | 3n | -1n | 9007199254740992n | -1n | 18446744073709551615n | true | true | bigint | 255n | 1n | -1n",
    ),
    (
        r"return [Math.hypot(3, 4), Math.sign(-3), Math.trunc(-1.7), Math.clz32(1),
     Math.imul(0xffffffff, 5), Math.fround(5.5), Math.cbrt(27), Math.round(-0.5),
     Math.round(2.5), Number.isSafeInteger(2 ** 53), Number.EPSILON > 0, ~~5.7,
     1 << 31, -1 >>> 0];",
        "5 | -1 | -1 | 31 | -5 | 5.5 | 3 | -0 | 3 | false | true | 5 | -2147483648 | 4294967295",
    ),
    (
        r"return [(() => { try { return 1n + 1; } catch (e) { return e.name; } })(), (() => {
     try { return BigInt(1.5); } catch (e) { return e.name; } })(), (() => { try {
     null.x; } catch (e) { return e.name; } })(), (() => { try { new Array(-1);
     } catch (e) { return e.name; } })()];",
        "TypeError | RangeError | TypeError | RangeError",
    ),
    // Typed arrays, buffers.
    (
        r"const b = new ArrayBuffer(8); new DataView(b).setInt32(0, 0x01020304);
     return [[...new Uint8Array(b).slice(0, 4)], new Uint8ClampedArray([300, -5])[0],
     new Int8Array([200])[0], new Float32Array([1.1])[0] === 1.1, Uint8Array.from([1,
     2, 3], x => x * 2).join(), new BigInt64Array([-1n])[0], b.byteLength];",
        "[1,2,3,4] | 255 | -56 | false | 2,4,6 | -1n | 8",
    ),
    (
        r"const a = new Uint8Array([5, 1, 4]); a.sort(); const s = a.subarray(1); s[0] = 9;
     return [[...a], s.length, a.indexOf(9), [...a.with(0, 7)], [...a.toReversed()],
     Object.prototype.toString.call(a)];",
        "[1,9,5] | 2 | 1 | [7,9,5] | [5,9,1] | [object Uint8Array]",
    ),
    (
        r"return [new TextDecoder().decode(new TextEncoder().encode('ü€\u{1F600}')),
     [...new TextEncoder().encode('ü')],
     new TextDecoder().decode(new Uint8Array([0x61, 0xff])).charCodeAt(1)];",
        "ü€😀 | [195,188] | 65533",
    ),
    // Arrays.
    (
        r"return [[3, 1, 2].toSorted(), [1, [2, [3, [4]]]].flat(Infinity), [1, 2,
     3].findLast(x => x < 3), [1, 2, 3, 4].copyWithin(0, 2), [, 1].length, 1 in [, 1],
     Array.from({ length: 2 }, (_, i) => i), [10, 9, 1].sort(), [1, 2, 3].with(1,
     'x'), [3, 4].entries().next().value, Object.groupBy([1, 2, 3],
     x => x > 1 ? 'big' : 'small').big, [1, 2, 3, 4, 5].splice(1, 2), [1,
     2].includes(NaN), [NaN].includes(NaN), [1, 2, 3].reduceRight((a,
     b) => a + '' + b)];",
        r#"[1,2,3] | [1,2,3,4] | 2 | [3,4,3,4] | 2 | true | [0,1] | [1,10,9] | [1,"x",3] | [0,3] | [2,3] | [2,3] | false | true | 321"#,
    ),
    (
        r"const a = [5, 1, 4]; a.length = 1; a[3] = 'x'; return [a.length, a.join('-'),
     Object.keys(a), a.flatMap(x => [x, x]), Array.isArray(a), Array.of(7).length,
     [...'ab'].concat(['c'], 'd')];",
        r#"4 | 5---x | ["0","3"] | [5,5,"x","x"] | true | 1 | ["a","b","c","d"]"#,
    ),
    (
        r"const people = [{ n: 'a', v: 2 }, { n: 'b', v: 1 }, { n: 'c', v: 2 }, { n: 'd',
     v: 1 }]; return people.sort((x, y) => x.v - y.v).map(p => p.n).join('');",
        "bdac",
    ),
    // Destructuring, spread, chaining, operators.
    (
        r"const { a, b: { c = 3, ...more } = {}, ...rest } = { a: 1, b: { d: 4, e: 5 }, f: 6 };
     return [a, c, more, rest];",
        r#"1 | 3 | {"d":4,"e":5} | {"f":6}"#,
    ),
    (
        r"let a = 1, b = 2; [a, b] = [b, a]; const f = ({ x = 1, y } = {}, [z] = [9]) => [x, y,
     z]; return [a, b, f({ y: 2 }), f()];",
        "2 | 1 | [1,2,9] | [1,null,9]",
    ),
    (
        r"const o = { f() { return this.v; }, v: 5, n: null }; return [o?.f(), o.n?.x.y.z,
     o.missing?.(), o?.['v'], o.n ?? 'd', 0 ?? 1, 0 || 1, delete o?.v, o.v,
     (o.n ??= 3), (o.n &&= 4), (o.z ||= 1)];",
        "5 | undefined | undefined | 5 | d | 0 | 1 | true | undefined | 3 | 4 | 1",
    ),
    (
        r"return [{ ...{ a: 1 }, ...null, b: 2 }, [...'hi', ...[1]], Math.max(...[1, 5],
     ...new Set([9])), typeof void 0, (1, 2), 'a' in { a: 1 }, 2 ** 3 ** 2,
     (-2) ** 2];",
        r#"{"a":1,"b":2} | ["h","i",1] | 9 | undefined | 2 | true | 512 | 4"#,
    ),
    (
        r"var s = ''; outer: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) {
     if (j === 1) continue outer; if (i === 2) break outer; s += `${i}${j} `;
     } } block: { if (s) break block; s = 'never'; } return s;",
        "00 10 ",
    ),
    (
        r"const f = x => { switch (x) { case 1: case 2: return 'low'; default: x = 'fell';
     case 3: return x + '!'; case 'x': { return 'x'; } } }; return [f(1), f(2), f(3),
     f('x'), f(9), (() => { switch (NaN) { case NaN: return 1; default: return 2;
     } })()];",
        "low | low | 3! | x | fell! | 2",
    ),
    (
        r"let out = ''; for (const k in { b: 1, a: 2, 1: 3, __proto__: { p: 4 } }) out += k;
     do { out += '.'; } while (out.length < 8); return out;",
        "1bap....",
    ),
    (
        r"return (() => { try { return 'try'; } finally { try { throw 1; } catch {
     } } })() + (() => { for (const x of [1, 2]) { try { continue; } finally {
     if (x === 2) return 'finally' + x; } } })();",
        "tryfinally2",
    ),
    (
        r"return [typeof undeclared, typeof null, typeof (() => 1), typeof Symbol(),
     typeof class {}, (() => { try { undeclared; } catch (e) { return e.name; } })(),
     (() => { try { undeclared = 1; } catch (e) { return e.name; } })()];",
        "undefined | object | function | symbol | function | ReferenceError | ReferenceError",
    ),
    (
        r"return [Object.entries({ 2: 'b', 1: 'a', z: 0 }), Object.fromEntries(new Map([['k',
     'v']])), Object.assign({}, { a: 1 }, null, { b: 2 }), structuredCheck(),
     Object.is(NaN, NaN)]; function structuredCheck() {
     return Object.getOwnPropertyNames(Object.freeze({ x: 1 })); }",
        r#"[["1","a"],["2","b"],["z",0]] | {"k":"v"} | {"a":1,"b":2} | ["x"] | true"#,
    ),
    (
        r"return (() => { const o = Object.freeze({ a: 1 }); try { o.a = 2; } catch (e) {
     return [e.name, o.a]; } })();",
        "TypeError | 1",
    ),
    (
        r"const o = {}; Object.defineProperty(o, 'x', { get: () => 7, enumerable: false });
     return [o.x, Object.keys(o), JSON.stringify(Object.getOwnPropertyDescriptor({
     get y() { return 1; } }, 'y')), Object.hasOwn(o, 'x')];",
        r#"7 | [] | {"enumerable":true,"configurable":true} | true"#,
    ),
    // Date.
    (
        r"const d = new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 123)); return [d.toISOString(),
     d.getTime(), JSON.stringify(d), d.getUTCDay(),
     Date.parse('2024-02-29T12:30:15Z'), new Date(NaN).getTime(), typeof Date.now(),
     new Date('nonsense').toString(), new Date(2024, 0, 31) instanceof Date,
     new Date(d - 1000).toISOString()];",
        r#"2024-02-29T12:30:15.123Z | 1709209815123 | "2024-02-29T12:30:15.123Z" | 4 | 1709209815000 | null | number | Invalid Date | true | 2024-02-29T12:30:14.123Z"#,
    ),
    // Symbol, Proxy, Reflect.
    (
        r"const s = Symbol('d'); const o = { [s]: 1,
     [Symbol.toPrimitive]: h => h === 'number' ? 42 : h, get [Symbol.toStringTag]() {
     return 'Tag'; } }; return [o[s], s.description, +o, `${o}`, o + '',
     Object.prototype.toString.call(o), Symbol.for('k') === Symbol.for('k'),
     Symbol.keyFor(Symbol.for('k')), Object.keys(o)];",
        "1 | d | 42 | string | default | [object Tag] | true | k | []",
    ),
    (
        r"const seen = []; const p = new Proxy({ a: 1 }, { get: (t, k, r) => {
     seen.push('get ' + String(k)); return Reflect.get(t, k, r); }, has: (t, k) => {
     seen.push('has ' + k); return k === 'magic'; }, set: (t, k, v) => {
     seen.push('set ' + k); t[k] = v * 2; return true; }, deleteProperty: (t, k) => {
     seen.push('delete ' + k); return delete t[k]; }, ownKeys: () => ['a', 'z'],
     getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true,
     value: 0 }) }); p.b = 5; return [p.a, 'magic' in p, p.b, delete p.a,
     Object.keys(p), seen];",
        r#"1 | true | 10 | true | ["a","z"] | ["set b","get a","has magic","get b","delete a"]"#,
    ),
    (
        r"const f = new Proxy(function (a) { return a; }, { apply: (t, self,
     args) => 'called ' + args, construct: (t, args) => ({ made: args[0] }) });
     const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return [f(1, 2),
     new f(3).made, (() => { try { proxy.x; } catch (e) { return e.name; } })(),
     Reflect.ownKeys({ b: 1, [Symbol.iterator]: 2 }).length, Reflect.construct(Array,
     [3]).length, Reflect.has({ q: 1 }, 'q')];",
        "called 1,2 | 3 | TypeError | 2 | 3 | true",
    ),
    // Promises, async and await.
    (
        r"const log = []; const p = Promise.resolve('p').then(v => log.push(v));
     log.push('sync'); queueMicrotask(() => log.push('micro')); await p; await null;
     return log;",
        "sync | p | micro",
    ),
    (
        r"const log = []; (async () => { log.push(1); await null; log.push(4); })();
     log.push(2); Promise.resolve().then(() => log.push(5)); log.push(3);
     await new Promise(r => r()); await null; return log;",
        "1 | 2 | 3 | 4 | 5",
    ),
    (
        r"return [await Promise.all([1, Promise.resolve(2)]),
     await Promise.race([new Promise(() => {}), Promise.resolve('r')]),
     await Promise.any([Promise.reject(1), Promise.resolve(2)]),
     (await Promise.allSettled([Promise.reject('x'), 1])).map(r => r.status),
     await Promise.any([Promise.reject(1)]).catch(e => [e.name, e.errors])];",
        r#"[1,2] | r | 2 | ["rejected","fulfilled"] | ["AggregateError",[1]]"#,
    ),
    (
        r"const f = async () => { try { await Promise.reject(new Error('x')); } catch (e) {
     return 'caught ' + e.message; } finally { log.push('finally'); } };
     const log = []; return [await f(), log,
     await Promise.reject(1).finally(() => 2).catch(e => e),
     await Promise.resolve(1).finally(() => 2)];",
        r#"caught x | ["finally"] | 1 | 1"#,
    ),
    (
        r"const { promise, resolve } = Promise.withResolvers();
     resolve(promise.then === Promise.prototype.then); return [await promise, await {
     then(f) { f('thenable'); } }, await (async () => await 5)(),
     await Promise.resolve(1).then(() => { throw 2; }).then(null, e => e + 1)];",
        "true | thenable | 5 | 3",
    ),
    (
        r"let r; const p = new Promise((_, reject) => { r = reject; }); r('late'); let out;
     try { await p; } catch (e) { out = e; } return [out, await new Promise(f => {
     f(1); f(2); throw 3; }), await Promise.resolve(Promise.resolve(4))];",
        "late | 1 | 4",
    ),
    (
        r"const order = []; const f = async n => { for (let i = 0; i < 2; i++) {
     order.push(n + i); await null; } }; await Promise.all([f('a'), f('b')]);
     return order.join(' ');",
        "a0 b0 a1 b1",
    ),
    // Errors.
    (
        r"const e = new Error('outer', { cause: new TypeError('inner') });
     return [e.cause.message, e.cause.name, Object.keys(e), new AggregateError([1, 2],
     'm').errors, String(new RangeError('r')), e.toString(), 'stack' in e];",
        "inner | TypeError | [] | [1,2] | RangeError: r | Error: outer | true",
    ),
    (
        r"const at = f => { try { f(); return 'no error'; } catch (e) {
     return e.constructor.name; } }; return [at(() => null.x), at(() => undefined()),
     at(() => { const c = 1; c = 2; }), at(() => 'x'.repeat(-1)),
     at(() => decodeURIComponent('%')), at(() => new (class { #a; static f(o) { o.#a;
     } }).constructor.f({})), at(() => [].reduce((a, b) => a)),
     at(() => Symbol() + ''), at(() => new RegExp('['))];",
        "TypeError | TypeError | TypeError | RangeError | URIError | TypeError | TypeError | TypeError | SyntaxError",
    ),
    // Others.
    (
        r"return [encodeURIComponent('ä &'), decodeURIComponent('%C3%A4'), isNaN('x'),
     parseFloat('3.5e2x'), [1, 2, 3] + '', [] + {}, [] == false, null == undefined,
     null >= 0, '5' * '2', '5' + 2, +[], +{}, typeof globalThis];",
        "%C3%A4%20%26 | ä | true | 350 | 1,2,3 | [object Object] | true | true | true | 10 | 52 | 0 | null | object",
    ),
    (
        r"const { a } = (({ a }) => ({ a }))({ a: 1 }), b = ((x, y = x) => y)(2); let u;
     u ??= a + b; const big = 123456789012345678901234567890n; return [u, big % 97n,
     String(big), 0.1 * 3, 1e-7, (25).toString(36), Number('1e3'), -(2 ** 31) | 0];",
        "3 | 52n | 123456789012345678901234567890 | 0.30000000000000004 | 1e-7 | p | 1000 | -2147483648",
    ),
];

// C-118: nothing of the language is missing, or other than its authors know it.
#[tokio::test]
async fn the_language_is_what_its_authors_expect() {
    let broker = builder().build().unwrap();
    let context = js(&broker, "").await;
    let mut wrong = Vec::new();
    for (snippet, wanted) in LANGUAGE {
        let got = within(context.eval::<String>(&js_shown(snippet, true))).await;
        if got.as_ref().ok().map(String::as_str) != Some(wanted) {
            wrong.push(format!("{snippet}\n  gave   {got:?}\n  wanted {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    at_rest(&context).await;
}

// The same in one context at the same time: nothing of one script is seen by another.
#[tokio::test]
async fn scripts_of_one_context_do_not_disturb_each_other() {
    let broker = builder().build().unwrap();
    let context = js(&broker, "").await;
    let calls = LANGUAGE.iter().map(|(snippet, wanted)| {
        let call = context.eval::<String>(&js_shown(snippet, true));
        async move { assert_eq!(call.await.unwrap(), *wanted, "of {snippet}") }
    });
    within(join_all(calls)).await;
}

/// What `expression` is in `context`, as text.
async fn text(context: &Context, expression: &str) -> String {
    eval(context, &format!("String({expression})")).await
}

/// The kind of the error that `expression` throws.
async fn thrown(context: &Context, expression: &str) -> String {
    let source = format!("try {{ {expression}; 'nothing' }} catch (e) {{ e.kind ?? e.name }}");
    eval(context, &source).await
}

// C-071, C-072: a name is looked up when it is used, so the order of opening does not matter.
#[tokio::test]
async fn names_are_found_when_they_are_used() {
    let broker = builder().build().unwrap();
    let user =
        js(&broker, "function greet() { return late.greet('x'); } const probe = () => typeof soon")
            .await;
    assert_eq!(
        text(&user, "[typeof late, typeof soon, probe(), 'late' in globalThis]").await,
        "undefined,undefined,undefined,false"
    );
    assert_eq!(thrown(&user, "late").await, "ReferenceError");
    assert_eq!(thrown(&user, "greet()").await, "ReferenceError");
    let owner = js(&broker, "expose('late.greet', who => 'hi ' + who); expose('soon', 5)").await;
    assert_eq!(
        text(&user, "[greet(), probe(), typeof late, typeof late.greet, soon]").await,
        "hi x,number,object,function,5"
    );
    assert_eq!(
        text(&user, "[typeof late.other, late?.other?.x, 'greet' in late]").await,
        "undefined,,true"
    );
    assert_eq!(text(&user, "late.greet === late.greet && id === globalThis.id").await, "true");
    assert_eq!(text(&user, "Object.keys(globalThis).includes('id')").await, "false");
    // What can be no name is simply absent.
    assert_eq!(
        text(&user, "[globalThis['a b'], globalThis[''], globalThis[1], globalThis['\\uD800']]")
            .await,
        ",,,"
    );
    assert_eq!(text(&user, "globalThis[Symbol('id')]").await, "undefined");
    // An export that has gone is gone for those who knew it, but what a script has put there stays.
    eval::<()>(&user, "globalThis.kept = late.greet; null").await;
    eval::<()>(&owner, "expose('taken', () => 'export')").await;
    let take = "taken(); Object.getPrototypeOf(globalThis).taken = () => 'mine'; null";
    eval::<()>(&user, take).await;
    within(owner.close()).await;
    assert_eq!(text(&user, "[typeof late, probe(), taken()]").await, "undefined,undefined,mine");
    assert_eq!(thrown(&user, "greet()").await, "ReferenceError");
    assert_eq!(thrown(&user, "kept('x')").await, "not_found");
    // Somebody else may take the name, also another language.
    let _next = lua(&broker, "expose('late.greet', function(who) return 'lua ' .. who end)").await;
    assert_eq!(text(&user, "greet() + kept('y')").await, "lua xlua y");
}

// C-005, C-007: data crosses by value.
#[tokio::test]
async fn exported_data_is_copied_at_every_look() {
    let broker = builder().data("version", "1.0").build().unwrap();
    let owner =
        js(&broker, "globalThis.list = { items: [10, 20], name: 'list' }; expose('prices', list)")
            .await;
    let user = js(&broker, "").await;
    assert_eq!(text(&user, "prices.items[1] + prices.name + version").await, "20list1.0");
    eval::<()>(&user, "prices.items.push(30); const mine = prices; mine.name = 'changed'; null")
        .await;
    eval::<()>(&owner, "list.name = 'other'; null").await;
    assert_eq!(text(&user, "prices.items.length + prices.name").await, "2list");
    eval::<()>(&owner, "expose('prices', list)").await;
    assert_eq!(text(&user, "prices.name").await, "other");
    eval::<()>(&owner, "let n = 0; expose('tools', { count: () => ++n })").await;
    assert_eq!(text(&user, "tools.count() + tools.count()").await, "3");
    assert_eq!(kind(within(broker.call::<Value>("prices", ())).await), ErrorKind::Type);
    assert_eq!(thrown(&user, "call('prices')").await, "type");
}

// C-073: a script's own global comes first, and gives the native back when it goes.
#[tokio::test]
async fn a_scripts_own_names_shadow_natives_and_exports() {
    let broker = builder().build().unwrap();
    let _other = js(&broker, "expose('greet', () => 'export')").await;
    let user = js(&broker, "").await;
    assert_eq!(text(&user, "one() + greet()").await, "1export");
    eval::<()>(&user, "globalThis.one = () => 'mine'; globalThis.greet = one; null").await;
    assert_eq!(text(&user, "one() + greet()").await, "minemine");
    assert_eq!(text(&user, "call('one') + call('greet')").await, "1export");
    eval::<()>(&user, "delete globalThis.one; delete globalThis.greet; null").await;
    assert_eq!(text(&user, "one() + greet()").await, "1export");
    // Assignment in sloppy code, declarations of all kinds, parameters, what is falsy.
    for (source, wanted) in [
        (
            "(() => { one = 5; const was = one; delete globalThis.one; return was + '' + one(); })()",
            "51",
        ),
        ("(one => one)(7)", "7"),
        ("(() => { let one = 8; { const one = 9; } return one; })()", "8"),
        ("(() => { var greet; return greet; })()", "undefined"),
        (
            "(() => { globalThis.one = undefined; const was = typeof one; delete globalThis.one; return was; })()",
            "undefined",
        ),
        ("new Function('one', 'return one')(3)", "3"),
    ] {
        assert_eq!(text(&user, source).await, wanted, "of {source}");
    }
    eval::<()>(&user, "function one() { return 'function'; } let greet = () => 'let'; null").await;
    assert_eq!(text(&user, "one() + greet()").await, "functionlet");
    // A shadowed name does no harm to other contexts.
    let third = js(&broker, "").await;
    assert_eq!(text(&third, "one() + greet()").await, "1export");
}

// C-078, C-080, C-183, C-187: `call` takes a function or a name; what cannot be exported is said.
#[tokio::test]
async fn call_and_expose_say_what_they_take() {
    let broker = builder().data("fixed", 1).build().unwrap();
    let source = "expose('lib.twice', x => later(x) * 2); expose('taken', () => 'theirs');
                  expose('make', () => (...args) => args.length)";
    let _other = js(&broker, source).await;
    let user = js(&broker, "").await;
    for (expression, wanted) in [
        ("call('lib.twice', 4)", "8"),
        ("call(lib.twice, 5)", "10"),
        ("call((a, b) => later(a) + b, 'a', 'b')", "ab"),
        ("call(make(), 1, undefined, 3)", "3"),
        ("call(make())", "0"),
        ("call(call, call, call, 'id', 9)", "9"),
        ("call(String, 12)", "12"),
    ] {
        assert_eq!(text(&user, expression).await, wanted, "of {expression}");
    }
    let before = user.usage().await.unwrap().handles;
    for (expression, wanted) in [
        ("call('nothing')", "not_found"),
        ("call('lib')", "not_found"),
        ("call('console')", "not_found"),
        ("call()", "type"),
        ("call(null)", "type"),
        ("call(5)", "type"),
        ("call({})", "type"),
        ("expose('taken', () => 1)", "denied"),
        ("expose('one', () => 1)", "denied"),
        ("expose('fixed', 2)", "denied"),
        ("expose('fs.read', () => 1)", "denied"),
        ("expose('', 1)", "type"),
        ("expose('a b', 1)", "type"),
        ("expose('1a', 1)", "type"),
        ("expose('a..b', 1)", "type"),
        ("expose('a.', 1)", "type"),
        ("expose('ü', 1)", "type"),
        ("expose(42, 1)", "type"),
        ("expose()", "type"),
        ("expose('x')", "type"),
        ("expose('x', Symbol())", "unrepresentable"),
        ("expose('x', Promise.resolve(1))", "unrepresentable"),
        ("expose('x', [1, { y: new WeakMap() }])", "unrepresentable"),
    ] {
        assert_eq!(thrown(&user, expression).await, wanted, "of {expression}");
    }
    assert_eq!(text(&user, "call('taken')").await, "theirs");
    assert_eq!(user.usage().await.unwrap().handles, before);
    assert!(!broker.names().contains(&"x".to_string()));
}

// C-020, C-147: the result is the value of the last expression, and declarations stay.
#[tokio::test]
async fn what_an_evaluated_script_results_in_and_leaves() {
    let broker = builder().build().unwrap();
    let context = js(&broker, "").await;
    for (source, wanted) in [
        ("1 + 1", Value::from(2)),
        (
            "let kept = 1; const fixed = 2; var plain = 3; function f() { return kept; } class A {}",
            Value::Nil,
        ),
        ("kept += 10; kept + fixed + plain + f()", Value::from(27)),
        ("typeof A + new A().constructor.name", Value::from("functionA")),
        ("await Promise.resolve('awaited')", Value::from("awaited")),
        ("let later_value = await later(5); later_value", Value::from(5)),
        ("later_value + 1", Value::from(6)),
        ("const got = await later.async([1, 2]); got.length", Value::from(2)),
        ("if (true) { 'block' }", Value::from("block")),
        ("for (const x of [1, 2, 3]) x * 2", Value::from(6)),
        ("'use strict'; this === undefined", Value::from(false)),
        ("undeclared = 5; globalThis.undeclared", Value::from(5)),
        ("({ a: 1 }).a", Value::from(1)),
        ("// only a comment\n", Value::Nil),
        ("#!/usr/bin/env calog\n'hashbang'", Value::from("hashbang")),
        ("\u{feff}'marked'", Value::from("marked")),
        ("undefined", Value::Nil),
        (
            "throw_later = async () => { await null; return 'x'; }; await throw_later()",
            Value::from("x"),
        ),
        ("'\\u{1F600}'", Value::from("\u{1F600}")),
        ("", Value::Nil),
    ] {
        let got = within(context.eval::<Value>(source)).await;
        assert_eq!(got.unwrap_or_else(|e| panic!("{e:?} in {source}")), wanted, "of {source}");
    }
    for (source, wanted, text) in [
        ("let kept = 2", ErrorKind::Raised, "kept"),
        ("fixed = 1", ErrorKind::Raised, "read-only"),
        ("const a = ;", ErrorKind::Load, "eval:1"),
        ("\n\nreturn 5", ErrorKind::Load, "eval:3"),
        ("import './x.js'", ErrorKind::Load, "eval:1"),
        ("Symbol()", ErrorKind::Unrepresentable, "result"),
        ("await Promise.reject(new Error('refused'))", ErrorKind::Raised, "refused"),
        ("missing()", ErrorKind::Raised, "missing is not defined"),
    ] {
        let error = within(context.eval::<Value>(source)).await.unwrap_err();
        assert_eq!(error.kind(), wanted, "of {source}: {error:?}");
        assert!(error.message().contains(text), "of {source}: {error:?}");
    }
    // What failed left the context as it was.
    assert_eq!(eval::<i64>(&context, "kept + fixed").await, 13);
    let error = within(context.eval_as::<Value>("=rules", "\n  nothing()")).await.unwrap_err();
    assert_eq!(error.trace()[0].to_string(), "js rules:2");
}

/// What is printed, and the lines of it, as Node prints them.
const PRINTED: &[(&str, &str)] = &[
    (
        "console.log('a', 1, true, null, undefined, 5n, Symbol('s'), -0, NaN);",
        "a 1 true null undefined 5n Symbol(s) -0 NaN",
    ),
    ("console.log(['a', 1, [2, [3, [4, [5]]]]], []);", "[ 'a', 1, [ 2, [ 3, [Array] ] ] ] []"),
    (
        "console.log({ a: 1, 'b-c': 'x', d: { e: { f: { g: 1 } } } }, {});",
        "{ a: 1, 'b-c': 'x', d: { e: { f: [Object] } } } {}",
    ),
    (
        "console.log(new Map([['k', { v: 1 }]]), new Set([1, 'a']), new Map(), new Set());",
        "Map(1) { 'k' => { v: 1 } } Set(2) { 1, 'a' } Map(0) {} Set(0) {}",
    ),
    ("console.log('100%', 5, '%s');", "100% 5 %s"),
    (
        "console.log(new Date(0), /a+/gi, [new Date(0)]);",
        "1970-01-01T00:00:00.000Z /a+/gi [ 1970-01-01T00:00:00.000Z ]",
    ),
    (
        "console.log(Object.create(null), Object.assign(Object.create(null), { a: 1 }));",
        "[Object: null prototype] {} [Object: null prototype] { a: 1 }",
    ),
    (
        "class P { constructor() { this.x = 1; } } console.log(new P(), [new P()]);",
        "P { x: 1 } [ P { x: 1 } ]",
    ),
    (
        "console.log({ get a() { return 1; }, set b(v) {}, get c() { return 1; }, set c(v) {} });",
        "{ a: [Getter], b: [Setter], c: [Getter/Setter] }",
    ),
    (
        "console.log(new Uint8Array([1, 2]), new Float64Array([0.5]));",
        "Uint8Array(2) [ 1, 2 ] Float64Array(1) [ 0.5 ]",
    ),
    (
        "console.log(Array.from({ length: 120 }, (_, i) => i).length, 'x'.repeat(200).length);",
        "120 200",
    ),
    (
        "console.log([['a', 'b'], ['c']], { list: [1, 2, 3], nested: { ok: true } });",
        "[ [ 'a', 'b' ], [ 'c' ] ] { list: [ 1, 2, 3 ], nested: { ok: true } }",
    ),
    ("console.log();", ""),
    ("console.log('');", ""),
    (
        r"console.log('two\nlines');",
        r"two
lines",
    ),
    (
        "console.info('i'), console.warn('w'), console.error('e'), console.debug('d');",
        r"i
w
e
d",
    ),
    (
        "console.log({ name: 'a fairly long text to fill the line',
          other: 'another fairly long text', third: 12345 });",
        r"{
  name: 'a fairly long text to fill the line',
  other: 'another fairly long text',
  third: 12345
}",
    ),
    ("console.log(new Error('boom').message, String(new TypeError('t')));", "boom TypeError: t"),
    (
        "console.log([1.5, -0, 1e21, 2n ** 70n], [true, false]);",
        "[ 1.5, -0, 1e+21, 1180591620717411303424n ] [ true, false ]",
    ),
    ("console.log(Promise.resolve(1) instanceof Promise, typeof console);", "true object"),
    ("console.log([[]], [{}], { a: [] , b: {} });", "[ [] ] [ {} ] { a: [], b: {} }"),
    (
        "console.group('G'); console.log('in'); console.groupEnd(); console.log('out');",
        r"G
  in
out",
    ),
];

// C-079: the console prints values as people know it.
#[tokio::test]
async fn the_console_prints_what_node_prints() {
    let log = Log::default();
    let broker = log.of(builder()).build().unwrap();
    let context = js(&broker, "").await;
    for (source, wanted) in PRINTED {
        eval::<()>(&context, &format!("{{ {source} }} null")).await;
        assert_eq!(log.take().join("\n"), *wanted, "of {source}");
    }
    // Hostile values are printed or refused, and neither ends the context.
    let deep = "let v = []; for (let i = 0; i < 1e5; i++) v = [v]; console.log(v)";
    for source in [
        "console.log(new Proxy({}, { ownKeys() { throw 1; }, getPrototypeOf() { throw 2; } }))",
        "const r = Proxy.revocable({}, {}); r.revoke(); console.log(r.proxy)",
        "console.log({ get constructor() { throw 1; } })",
        "console.log(Object.assign(new Error('e'), { stack: 5, name: Symbol() }))",
        "console.log('%s %d %j', { toString() { throw 1; } }, Symbol(), 1n)",
        "Array.prototype.map = null; console.log([1], { a: 1 }, new Map([[1, 2]]))",
        deep,
    ] {
        let other = js(&broker, "").await;
        let _ = within(other.eval::<()>(source)).await;
        assert_eq!(eval::<i64>(&other, "40 + 2").await, 42, "after {source}");
    }
    log.take();
    // Its members are functions of their own, and the script may have another console.
    eval::<()>(&context, "const { log } = console; log('bare'); [1].forEach(console.log); null")
        .await;
    assert_eq!(log.take(), ["bare", "1 0 [ 1 ]"]);
    eval::<()>(&context, "globalThis.console = { log: x => print('mine', x) }; console.log(1)")
        .await;
    assert_eq!(log.take(), ["mine 1"]);
}
