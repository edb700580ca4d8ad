// Records entries that no well-behaved kernel sends. Writes the lines that must be found to the file named.
import { writeFileSync } from 'node:fs';
import { makeSlogSender } from '@haltbox/slog-sender';
import { serializeSlogObj } from '@agoric/telemetry/src/serialize-slog-obj.js';

const slogSender = await makeSlogSender({ env: process.env, stateDir: process.env.STATE_DIR });
const lines = [];
const keep = (line, found = line) => {
  slogSender({}, line);
  lines.push(found);
};

const large = length => JSON.stringify({ type: 'large', text: 'aé€😀'.repeat(length / 10) });
keep(large(100e3));
keep(large(190e3));
if (process.argv[3]) keep(large(Number(process.argv[3])));
keep(JSON.stringify({ type: 'escaped', text: 'lone \ud800, NUL \0, end of line \n' }));
keep('{"text":"lone \ud800 and \udc00"}', '{"text":"lone \ufffd and \ufffd"}');
keep('{"text":"NUL \0 within"}');
keep('{"text":"two\n\nlines"}');
keep('{"text":"its end"}\n', '{"text":"its end"}');
keep('no JSON at all');

const cause = Object.assign(Error('why'), { stack: 'stack of the cause' });
const objects = [
  { type: 'number', big: 12345678901234567890n },
  { type: 'error', error: Object.assign(Error('what', { cause }), { stack: 'a stack' }) },
  { type: 'errors', error: Object.assign(AggregateError([cause, 7n], 'many'), { stack: '' }) },
  { type: 'dates', at: new Date(0), not: undefined, list: [undefined, NaN, () => 1] },
];
for (const object of objects) {
  slogSender(object);
  lines.push(serializeSlogObj(object));
}

const circle = { type: 'circle' };
circle.circle = circle;
const thrower = { toJSON: () => { throw 'no error'; } };
const entries = [[circle], [thrower], [{}, 5], [{}, null], [{}, {}], [{}, Symbol('s')], [{}, ['text']], [undefined], []];
for (const entry of entries) slogSender(...entry);
keep('{"type":"last"}');
writeFileSync(process.argv[2], lines.map(line => `${line}\n`).join(''));
