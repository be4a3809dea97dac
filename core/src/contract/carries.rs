//! What a way of calling user code can bring there.

/// What a way of delivery carries besides streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carries {
    /// Descriptors that are handed out. Otherwise detaching is refused.
    pub detach: bool,
    /// The arguments of commands. Otherwise framings that cut commands are refused.
    pub commands: bool,
    /// Its receivers are told when a turn flushes and when it ends.
    pub turns: bool,
    /// Its receivers lend memory that input is read into, may become full within a turn, and are told what frames and commands
    /// take in the stream.
    pub lends: bool,
    /// Its receivers gather frames, and are told when those of a read were delivered.
    pub gathers: bool,
}
