// JSON that is shown and saved as it is stored: numbers of any size, the order of members and repeated names stay.

/** Where and why a text is not JSON. */
export class Malformed extends Error {
  constructor(text, offset, message) {
    const before = text.slice(0, offset).split("\n");
    super(`line ${before.length}, column ${before.at(-1).length + 1}: ${message}`);
    this.offset = offset;
  }
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const space = /[ \t\n\r]*/y;
const levelsMax = 128;

/** Reads a text once; `take` gives the next token of a kind, or complains. */
class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found?.[0];
  }

  skip() { this.match(space); }

  fail(message) { throw new Malformed(this.text, this.at, message); }

  expect(character) {
    if (this.text[this.at] !== character) this.fail(`${JSON.stringify(character)} is missing here`);
    this.at += 1;
  }

  string() { return this.match(string) ?? this.fail("a string in double quotes is missing or not closed here"); }

  scalar() {
    const next = this.text[this.at];
    if (next === undefined) this.fail("the text ends too early");
    if (next === '"') return this.string();
    for (const word of ["true", "false", "null"]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return word;
      }
    }
    return this.match(number) ?? this.fail("no JSON value begins like this");
  }

  /** Goes over the members of an object or array; `visit` reads one, and is told its name. */
  each(open, close, level, visit) {
    if (level > levelsMax) this.fail(`there are more than ${levelsMax} levels`);
    this.expect(open);
    this.skip();
    for (let isFirst = true; this.text[this.at] !== close; isFirst = false) {
      if (!isFirst) {
        this.expect(",");
        this.skip();
      }
      let name;
      if (open === "{") {
        name = this.string();
        this.skip();
        this.expect(":");
        this.skip();
      }
      visit(name, isFirst);
      this.skip();
    }
    this.at += 1;
  }

  end() {
    this.skip();
    if (this.at < this.text.length) this.fail("there is more behind the value");
  }
}

/** The same JSON with line breaks and indentation; no token is changed. */
export function pretty(text) {
  const reader = new Reader(text);
  const value = (level) => {
    const open = reader.text[reader.at];
    if (open !== "{" && open !== "[") return reader.scalar();
    const close = open === "{" ? "}" : "]";
    const parts = [];
    reader.each(open, close, level + 1, (name) => {
      parts.push(`${"  ".repeat(level + 1)}${name === undefined ? "" : `${name}: `}${value(level + 1)}`);
    });
    return parts.length === 0 ? open + close : `${open}\n${parts.join(",\n")}\n${"  ".repeat(level)}${close}`;
  };
  reader.skip();
  const result = value(0);
  reader.end();
  return result;
}

/** `pretty`, or the text itself if it is not JSON. */
export function prettyOrPlain(text) {
  try {
    return pretty(text);
  } catch {
    return text;
  }
}

/**
 * An answer about records as an object, but with each member named `value` as its own text.
 */
export function records(text) {
  const reader = new Reader(text);
  const value = (level, name) => {
    const open = reader.text[reader.at];
    if (name === "value") {
      const start = reader.at;
      skip(level);
      return reader.text.slice(start, reader.at);
    }
    if (open === "{") {
      const object = {};
      reader.each("{", "}", level, (quoted) => {
        const member = JSON.parse(quoted);
        Object.defineProperty(object, member, {
          value: value(level + 1, member), enumerable: true, configurable: true, writable: true,
        });
      });
      return object;
    }
    if (open === "[") {
      const array = [];
      reader.each("[", "]", level, () => array.push(value(level + 1)));
      return array;
    }
    return JSON.parse(reader.scalar());
  };
  const skip = (level) => {
    const open = reader.text[reader.at];
    if (open === "{") reader.each("{", "}", level, () => skip(level + 1));
    else if (open === "[") reader.each("[", "]", level, () => skip(level + 1));
    else reader.scalar();
  };
  reader.skip();
  const result = value(0);
  reader.end();
  return result;
}

/** What is wrong with a text that shall be JSON; `undefined` if nothing is. */
export function complaint(text) {
  try {
    pretty(text);
    return undefined;
  } catch (error) {
    return error.message;
  }
}
