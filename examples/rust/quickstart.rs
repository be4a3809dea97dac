//! An echo server.
use reactor_core::{serve, Action, Config, Conn, Handler};

struct Echo;
impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }
}

fn main() -> Result<(), reactor_core::Error> {
    serve(Echo, &["tcp://:5000"], &Config::default())
}
