//! An echo server.
use reactor_core::{Action, Config, Conn, Handler, Server};

struct Echo;
impl Handler for Echo {
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        conn.write(data).map_or(Action::Close, |_| Action::None)
    }
}

fn main() -> Result<(), reactor_core::Error> {
    let server = Server::new(Echo, &Config::default())?;
    println!("listening on {}", server.listen("tcp://:5000")?);
    server.run()
}
