//! The commands: what Redis 7 tells of each, and what carries it out.

use crate::commands::{only_subcommands, Outcome};
use crate::resp::{Arguments, Replies};
use crate::store::Session;
use crate::{about, catalog, keys, transaction, values};

type Run = fn(Arguments<'_>, &mut Session<'_>, &mut Replies<'_>) -> Outcome;

/// What Redis 7 tells of a command, in its words, with blanks between; and what carries it out.
pub struct Command {
    /// The name as a number, to be compared at once; of a subcommand its own name alone.
    key: u64,
    /// That of a subcommand is like "client|id".
    pub name: &'static str,
    /// The number of arguments, all names included; if negative, the least number.
    pub arity: i64,
    pub keys: Keys,
    pub flags: &'static str,
    /// Of access control lists.
    pub categories: &'static str,
    pub tips: &'static str,
    pub subcommands: &'static [Command],
    pub run: Run,
}

/// Where keys stand among the arguments, and what becomes of them.
pub struct Keys {
    /// 0 if there are none.
    pub first: i64,
    /// Counted from the end if negative.
    pub last: i64,
    pub step: i64,
    pub flags: &'static str,
    pub notes: &'static str,
}

const NONE: Keys = Keys { first: 0, last: 0, step: 0, flags: "", notes: "" };
const SET: Keys = Keys {
    notes: "RW and ACCESS due to the optional `GET` argument",
    ..one("RW access update variable_flags")
};

const COUNTER: Keys = one("RW access update");

const fn one(flags: &'static str) -> Keys {
    Keys { first: 1, last: 1, step: 1, flags, notes: "" }
}

const fn all(flags: &'static str) -> Keys {
    Keys { last: -1, ..one(flags) }
}

/// Each with a value behind it.
const fn pairs(flags: &'static str) -> Keys {
    Keys { step: 2, ..all(flags) }
}

const TRANSACTION: &str = "noscript loading stale fast allow_busy";
const GREETING: &str = "noscript loading stale fast no_auth allow_busy";
const ADMIN: &str = "admin noscript loading stale";

const fn command(
    name: &'static str,
    arity: i64,
    keys: Keys,
    flags: &'static str,
    categories: &'static str,
    run: Run,
) -> Command {
    Command {
        key: key_of(own_name(name)),
        name,
        arity,
        keys,
        flags,
        categories,
        tips: "",
        subcommands: &[],
        run,
    }
}

/// The most frequent come first.
pub static COMMANDS: [Command; 40] = [
    command("get", 2, one("RO access"), "readonly fast", "@read @string @fast", values::get),
    command("set", -3, SET, "write denyoom", "@write @string @slow", values::set),
    command("ping", -1, NONE, "fast", "@fast @connection", about::ping)
        .tips("request_policy:all_shards response_policy:all_succeeded"),
    command("incr", 2, COUNTER, "write denyoom fast", "@write @string @fast", values::incr),
    command("decr", 2, COUNTER, "write denyoom fast", "@write @string @fast", values::decr),
    command("incrby", 3, COUNTER, "write denyoom fast", "@write @string @fast", values::incrby),
    command("decrby", 3, COUNTER, "write denyoom fast", "@write @string @fast", values::decrby),
    command("setnx", 3, one("OW insert"), "write denyoom fast", "@write @string @fast", values::setnx),
    command("setex", 4, one("OW update"), "write denyoom", "@write @string @slow", values::setex),
    command("mget", -2, all("RO access"), "readonly fast", "@read @string @fast", values::mget)
        .tips("request_policy:multi_shard"),
    command("mset", -3, pairs("OW update"), "write denyoom", "@write @string @slow", values::mset)
        .tips("request_policy:multi_shard response_policy:all_succeeded"),
    command("strlen", 2, one("RO"), "readonly fast", "@read @string @fast", values::strlen),
    command("del", -2, all("RM delete"), "write", "@keyspace @write @slow", keys::del)
        .tips("request_policy:multi_shard response_policy:agg_sum"),
    command("unlink", -2, all("RM delete"), "write fast", "@keyspace @write @fast", keys::del)
        .tips("request_policy:multi_shard response_policy:agg_sum"),
    command("exists", -2, all("RO"), "readonly fast", "@keyspace @read @fast", keys::exists)
        .tips("request_policy:multi_shard response_policy:agg_sum"),
    command("expire", -3, one("RW update"), "write fast", "@keyspace @write @fast", keys::expire),
    command("pexpire", -3, one("RW update"), "write fast", "@keyspace @write @fast", keys::pexpire),
    command("persist", 2, one("RW update"), "write fast", "@keyspace @write @fast", keys::persist),
    command("ttl", 2, one("RO access"), "readonly fast", "@keyspace @read @fast", keys::ttl)
        .tips("nondeterministic_output"),
    command("pttl", 2, one("RO access"), "readonly fast", "@keyspace @read @fast", keys::pttl)
        .tips("nondeterministic_output"),
    command("type", 2, one("RO"), "readonly fast", "@keyspace @read @fast", keys::kind),
    command("keys", 2, NONE, "readonly", "@keyspace @read @slow @dangerous", keys::keys)
        .tips("request_policy:all_shards nondeterministic_output_order"),
    command("scan", -2, NONE, "readonly", "@keyspace @read @slow", keys::scan)
        .tips("nondeterministic_output request_policy:special"),
    command("dbsize", 1, NONE, "readonly fast", "@keyspace @read @fast", keys::dbsize)
        .tips("request_policy:all_shards response_policy:agg_sum"),
    command("flushall", -1, NONE, "write", "@keyspace @write @slow @dangerous", keys::flush)
        .tips("request_policy:all_shards response_policy:all_succeeded"),
    command("flushdb", -1, NONE, "write", "@keyspace @write @slow @dangerous", keys::flush)
        .tips("request_policy:all_shards response_policy:all_succeeded"),
    command("multi", 1, NONE, TRANSACTION, "@fast @transaction", transaction::multi),
    command("exec", 1, NONE, "noscript loading stale skip_slowlog", "@slow @transaction", transaction::exec),
    command("discard", 1, NONE, TRANSACTION, "@fast @transaction", transaction::discard),
    command("watch", -2, all("RO"), TRANSACTION, "@fast @transaction", transaction::watch),
    command("unwatch", 1, NONE, TRANSACTION, "@fast @transaction", transaction::unwatch),
    command("echo", 2, NONE, "loading stale fast", "@fast @connection", about::echo),
    command("hello", -1, NONE, GREETING, "@fast @connection", about::hello),
    command("auth", -2, NONE, GREETING, "@fast @connection", about::auth),
    command("quit", -1, NONE, GREETING, "@fast @connection", about::quit),
    command("select", 2, NONE, "loading stale fast", "@fast @connection", about::select),
    command("info", -1, NONE, "loading stale", "@slow @dangerous", about::info)
        .tips("nondeterministic_output request_policy:all_shards response_policy:special"),
    command("command", -1, NONE, "loading stale", "@slow @connection", catalog::all)
        .tips("nondeterministic_output_order")
        .with(&COMMAND),
    command("client", -2, NONE, "", "@slow", only_subcommands).with(&CLIENT),
    command("config", -2, NONE, "", "@slow", only_subcommands).with(&CONFIG),
];

static CLIENT: [Command; 4] = [
    command("client|id", 2, NONE, "noscript loading stale", "@slow @connection", about::client_id),
    command("client|setname", 3, NONE, "noscript loading stale", "@slow @connection", about::client_setname),
    command("client|getname", 2, NONE, "noscript loading stale", "@slow @connection", about::client_getname),
    command("client|setinfo", 4, NONE, "noscript loading stale", "@slow @connection", about::client_setinfo),
];

static CONFIG: [Command; 1] =
    [command("config|get", -3, NONE, ADMIN, "@admin @slow @dangerous", about::config_get)];

static COMMAND: [Command; 4] = [
    command("command|info", -2, NONE, "loading stale", "@slow @connection", catalog::info)
        .tips("nondeterministic_output_order"),
    command("command|count", 2, NONE, "loading stale", "@slow @connection", catalog::count),
    command("command|list", -2, NONE, "loading stale", "@slow @connection", catalog::list)
        .tips("nondeterministic_output_order"),
    command("command|docs", -2, NONE, "loading stale", "@slow @connection", catalog::docs)
        .tips("nondeterministic_output_order"),
];

/// A name of at most eight letters, whatever their case. Another name gives 0.
const fn key_of(name: &[u8]) -> u64 {
    if name.len() > 8 {
        return 0;
    }
    let (mut key, mut at) = (0, 0);
    while at < name.len() {
        key = key << 8 | (name[at] | 0x20) as u64;
        at += 1;
    }
    key
}

/// Of "client|id" the id.
const fn own_name(name: &str) -> &[u8] {
    let mut name = name.as_bytes();
    let mut rest = name;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'|' {
            name = rest;
        }
    }
    name
}

impl Command {
    const fn tips(self, tips: &'static str) -> Command {
        Command { tips, ..self }
    }

    const fn with(self, subcommands: &'static [Command]) -> Command {
        Command { subcommands, ..self }
    }

    /// The command of this name.
    pub fn named(name: &[u8]) -> Option<&'static Command> {
        let key = key_of(name);
        COMMANDS.iter().find(|command| command.key == key)
    }

    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        let key = key_of(name);
        self.subcommands.iter().find(|command| command.key == key)
    }

    /// Whether it is carried out at once, also behind MULTI.
    pub fn is_immediate(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard" | "watch" | "quit")
    }
}
