// RESP2 as redis-benchmark speaks it, commands being arrays of bulk strings, cut by hand in one walk over the bytes of a read. It keeps
// to that: no inline commands, and nobody looks at what stands before a number. What is no such array ends the connection.

const ARRAY = '*'.charCodeAt(0)
const CR = '\r'.charCodeAt(0)
const ZERO = '0'.charCodeAt(0)
// Bytes of the longest command.
const MAX_COMMAND = 64 << 20

export class Commands {
  // What is not complete, and how many bytes there must be before another look at it is worth it.
  #chunks = []
  #size = 0
  #wanted = 0
  // Where the number ends that was read last.
  #end = 0
  // There was something else where a number belongs.
  #isWrong = false

  /** The commands that this chunk completes, as lists of their arguments; undefined if it is no such protocol. */
  take(chunk) {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#wanted) return []
    const data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size)
    const commands = []
    let start = 0
    this.#wanted = 0
    while (start < data.length) {
      if (data[start] !== ARRAY) return undefined
      const args = this.#command(data, start)
      if (this.#isWrong || args?.length === 0) return undefined
      if (args === undefined) break
      commands.push(args)
      start = this.#end
    }
    this.#chunks = start < data.length ? [data.subarray(start)] : []
    this.#size = data.length - start
    if (this.#wanted > 0) this.#wanted -= start
    return this.#wanted > MAX_COMMAND ? undefined : commands
  }

  /** The arguments of a command; undefined if it is not complete. */
  #command(data, start) {
    const count = this.#number(data, start + 1)
    const args = []
    for (let index = 0; index < count; index += 1) {
      const length = this.#number(data, this.#end + 1)
      const from = this.#end
      if (length < 0 || from + length + 2 > data.length) {
        if (length > 0) this.#wanted = from + length + 2
        return undefined
      }
      args.push(data.subarray(from, from + length))
      this.#end = from + length + 2
    }
    return count < 0 ? undefined : args
  }

  /** A number, which ends with a line; below zero if the line is not complete. */
  #number(data, from) {
    let number = 0
    let at = from
    for (; at < data.length && data[at] !== CR; at += 1) {
      const digit = data[at] - ZERO
      if (digit < 0 || digit > 9) this.#isWrong = true
      number = number * 10 + digit
    }
    this.#end = at + 2
    return this.#end <= data.length ? number : -1
  }
}
