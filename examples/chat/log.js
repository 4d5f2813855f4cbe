// How the log of the chat looks, and nothing else: it prints nothing itself.
//
// `log.line(event)` gives the line for something that has happened: the time of the day in UTC, a sign
// by which lines of a kind are found, and the rest.

// What somebody says may be as long as a line is; the log is for reading.
const longest = 120;

const cut = text =>
  [...text].length <= longest ? text : [...text].slice(0, longest - 1).join('') + '…';

const address = ({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

const here = count => `(${count} here)`;

const lines = {
  listening: event => `! listening on ${address(event)}`,
  full: event => `! no room for ${address(event)}`,
  joined: event => `+ ${event.name} from ${address(event)} ${here(event.count)}`,
  left: event => `- ${event.name} ${cut(event.why)} ${here(event.count)}`,
  renamed: event => `= ${event.before} is now ${event.name}`,
  said: event => `  ${event.name}: ${cut(event.text)}`,
  did: event => `* ${event.name} ${cut(event.text)}`,
};

const clock = millis => new Date(millis).toISOString().slice(11, 19);

expose('log.line', event => `${clock(time.now())} ${lines[event.kind](event)}`);
