// A small JSON API: what it costs to send a parcel.
//
//   calog run --allow-net=127.0.0.1 examples/http/rules.bas examples/http/server.js [-- PORT]
//
// The prices are those of rules.bas, a context of its own. Here are the paths, what a body must look
// like, and the quotes that were given, for as long as the program runs.

const port = args[0] ?? '8080';
const mostQuotes = 1000;

const quotes = new Map();
let last = 0;

// An answer other than the one that was asked for.
class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    Object.assign(this, { status, headers });
  }
}

function reply(status, value, headers = {}) {
  const body = `${json.encode(value)}\n`;
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

// What somebody wants to send, if the body of a request says so.
function parcelIn(body) {
  let parcel;
  try {
    parcel = json.decode(body);
  } catch (error) {
    throw new Refusal(400, `the body must be JSON: ${error.message}`);
  }
  const { country, grams, express = false, ...rest } = parcel ?? {};
  const isParcel =
    typeof country === 'string' &&
    Number.isSafeInteger(grams) &&
    grams > 0 &&
    typeof express === 'boolean' &&
    Object.keys(rest).length === 0;
  if (!isParcel) {
    throw new Refusal(400, 'a parcel is {"country": text, "grams": integer, "express": bool}');
  }
  return { country, grams, express };
}

async function create({ body }) {
  const parcel = parcelIn(body);
  let price;
  try {
    // Other requests go on meanwhile.
    price = await rules.quote.async(parcel);
  } catch (error) {
    // What the rules raise is meant for whoever asked; all else is a mistake of ours.
    throw error.kind === 'raised' ? new Refusal(422, error.message) : error;
  }
  const quote = { id: ++last, ...parcel, ...price };
  quotes.set(quote.id, quote);
  // The oldest goes, so that nobody can fill the memory with quotes.
  if (quotes.size > mostQuotes) quotes.delete(quotes.keys().next().value);
  return reply(201, quote, { location: `/quotes/${quote.id}` });
}

function find(id) {
  const quote = quotes.get(id);
  if (!quote) throw new Refusal(404, `there is no quote ${id}`);
  return quote;
}

const all = {
  GET: () => reply(200, [...quotes.values()]),
  POST: create,
};

const one = id => ({
  GET: () => reply(200, find(id)),
  DELETE() {
    quotes.delete(find(id).id);
    return undefined;
  },
});

const about = {
  GET: () => reply(200, { service: 'parcels', countries: Object.keys(rules.zones).sort() }),
};

// What may be done at a path, by method.
function at(path) {
  if (path === '/') return about;
  if (path === '/quotes') return all;
  const [, id] = path.match(/^\/quotes\/(\d{1,15})$/) ?? [];
  if (!id) throw new Refusal(404, 'nothing is here');
  return one(Number(id));
}

async function handle(request) {
  try {
    const methods = at(request.path);
    const allowed = Object.keys(methods).join(', ');
    // The server leaves the body out of what a HEAD gets.
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    if (!Object.hasOwn(methods, method)) {
      throw new Refusal(405, `here one can ${allowed}`, { allow: allowed });
    }
    return await methods[method](request);
  } catch (error) {
    // What is none becomes a 500, and is reported where the program runs.
    if (!(error instanceof Refusal)) throw error;
    return reply(error.status, { error: error.message }, error.headers);
  }
}

const server = http.serve(`127.0.0.1:${port}`, handle, { max_body: 10_000 });
const here = http.address(server);
console.log(`listening on http://${here.host}:${here.port}`);
