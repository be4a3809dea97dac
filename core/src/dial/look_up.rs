//! A look-up that somebody waits for.

/// What a name's look-up gives to each who waits for it.
pub(crate) struct LookUp {
    withdraw: Option<Box<dyn FnOnce() + Send>>,
}

impl LookUp {
    /// `withdraw` is called when nobody waits any more, and also when the answer has come.
    pub(crate) fn new(withdraw: impl FnOnce() + Send + 'static) -> Self {
        LookUp { withdraw: Some(Box::new(withdraw)) }
    }
}

impl Drop for LookUp {
    fn drop(&mut self) {
        self.withdraw.take().into_iter().for_each(|withdraw| withdraw());
    }
}
