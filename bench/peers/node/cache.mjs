// A cache with the commands that redis-benchmark uses, PING, GET, SET and DEL, for whatever cuts commands: SET has no options.

/** By their keys, which as strings of one byte a character keep every byte. */
const values = new Map()

const OK = Buffer.from('+OK\r\n')
const PONG = Buffer.from('+PONG\r\n')
const NIL = Buffer.from('$-1\r\n')
const UNKNOWN = Buffer.from('-ERR unknown command, or a wrong number of arguments\r\n')

const bulk = (value) => Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')])

/** The answer to a GET. */
function get(key) {
  const value = values.get(key)
  return value === undefined ? NIL : bulk(value)
}

const COMMANDS = {
  GET: (args) => (args.length === 2 ? get(args[1].latin1Slice()) : UNKNOWN),
  SET: (args) => {
    if (args.length !== 3) return UNKNOWN
    // A copy: what is given is a part of much more, which would be kept for it.
    values.set(args[1].latin1Slice(), Buffer.from(args[2]))
    return OK
  },
  PING: (args) => (args.length === 1 ? PONG : UNKNOWN),
  DEL: (args) => (args.length > 1 ? Buffer.from(`:${args.slice(1).filter((key) => values.delete(key.latin1Slice())).length}\r\n`) : UNKNOWN),
}

/** The answer to a command. Names in capitals, as clients send them, are found first. */
export function obey(args) {
  const name = args[0].latin1Slice()
  const command = COMMANDS[name] ?? COMMANDS[name.toUpperCase()]
  return command === undefined ? UNKNOWN : command(args)
}
