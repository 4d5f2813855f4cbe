// How the order desk's report looks, and nothing else: widths, alignment, money.
//
// It prints nothing itself: each finished line goes to an `emit(line)` of the caller. A width is a
// number of characters, not of UTF-16 units, so names in any alphabet line up.

// The columns of the order list, in the order of the cells that `format.row` gives. `width` is the
// most that a text may take before it is cut; together they fit a terminal of 100 columns.
const columns = [
  { title: 'Order', kind: 'text' },
  { title: 'Customer', kind: 'text', width: 20 },
  { title: 'To', kind: 'text' },
  { title: 'Tier', kind: 'text' },
  { title: 'Item', kind: 'text', width: 16 },
  { title: 'Qty', kind: 'count' },
  { title: 'Net', kind: 'money' },
  { title: 'VAT', kind: 'money' },
  { title: 'Ship', kind: 'money' },
  { title: 'Total', kind: 'money' },
];

// What a row can be instead of a list of cells: a line across the table.
const separator = '-';

// 1234567 becomes "1,234,567".
const grouped = whole => String(whole).replace(/\B(?=(\d{3})+$)/g, ',');

const count = number => (number < 0 ? '-' : '') + grouped(Math.abs(number));

function money(cents) {
  const rest = String(Math.abs(cents) % 100).padStart(2, '0');
  return (cents < 0 ? '-' : '') + grouped(Math.trunc(Math.abs(cents) / 100)) + '.' + rest;
}

// A line break or a tab inside a cell would tear the table, so it becomes a space.
const oneLine = text => text.replace(/\s+/g, ' ');

const length = text => [...text].length;

const cut = (text, width) =>
  length(text) <= width ? text : [...text].slice(0, width - 1).join('') + '…';

function padded(text, width, kind) {
  const blank = ' '.repeat(Math.max(0, width - length(text)));
  return kind === 'text' ? text + blank : blank + text;
}

// A text stands in any column as it is; a number takes the form of its column.
function shown(cell, { kind, width }) {
  if (typeof cell !== 'string') return kind === 'money' ? money(cell) : count(cell);
  const text = oneLine(cell);
  return width ? cut(text, width) : text;
}

// The rows that `nextRow()` gives, until it gives none.
function* rowsOf(nextRow) {
  for (let row = nextRow(); row != null; row = nextRow()) yield row;
}

// Emits a table line by line. All rows come first, because the widths depend on them.
function table(headings, nextRow, emit) {
  const rows = [headings.map(column => column.title), separator];
  for (const row of rowsOf(nextRow)) {
    rows.push(row === separator ? row : headings.map((column, i) => shown(row[i], column)));
  }
  const cells = rows.filter(row => row !== separator);
  const widths = headings.map((_, i) => Math.max(...cells.map(row => length(row[i]))));
  for (const row of rows) {
    const texts = headings.map(({ kind }, i) =>
      row === separator ? '─'.repeat(widths[i]) : padded(row[i], widths[i], kind));
    emit(texts.join('  '));
  }
}

// The cells of one order, for the columns above.
const row = (order, priced) => [
  order.order_id,
  order.customer,
  order.country,
  order.tier,
  order.description,
  order.quantity,
  priced.net,
  priced.vat,
  priced.shipping,
  priced.total,
];

// Emits the heading of a receipt and gives a function that emits one line of it: a label and an
// amount. That is the form of the `note` that the price rules take, so the rules can write a receipt
// without knowing of one.
function receipt(order, emit) {
  emit(oneLine(`Order ${order.order_id}, ${order.customer}`));
  emit(oneLine(`${count(order.quantity)} × ${order.description}`));
  return (label, cents) => emit(padded(label, 24, 'text') + padded(money(cents), 12, 'money'));
}

expose('format.columns', columns);
expose('format.row', row);
expose('format.table', table);
expose('format.receipt', receipt);
