//! `shrike status`: services, hooks, counters. It fails when a part is down, so that scripts and probes can ask.

use std::time::Duration;

use crate::api;
use crate::args::{Global, StatusArgs};
use crate::failure::Failure;
use crate::view::status::{as_json, page};
use crate::view::terminal::{Terminal, print, print_line};

/// Moves to the top left and clears what is below: no flicker, and the scroll-back stays.
const REDRAW: &str = "\u{1b}[H\u{1b}[J";
/// Time between two pages of `--watch`.
const EVERY: Duration = Duration::from_secs(1);

/// Prints the status once, or every second until Ctrl-C.
pub(crate) async fn run(args: StatusArgs, global: Global) -> Result<(), Failure> {
    let terminal = Terminal::stdout(global.color);
    let show = async {
        let mut client = api::connect(&global.socket).await?;
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            let status = api::status(&mut client, &global.socket).await?;
            if args.json {
                print_line(&as_json(&status).to_string())?;
            } else {
                let page = page(&status, args.all, terminal.paint);
                let text = match terminal.columns {
                    Some(_) if args.watch => format!("{REDRAW}{}", terminal.screenful(&page)),
                    Some(_) | None => page,
                };
                print(text.as_bytes())?;
            }
            if !args.watch {
                // The page says which, and why.
                let is_up = status.probe_connected && status.reporter_connected;
                return if is_up { Ok(()) } else { Err(Failure::Passed(1)) };
            }
        }
    };
    tokio::select! {
        shown = show => shown,
        signal = bootstrap::shutdown::requested() => signal.map(drop).map_err(Failure::system("wait for Ctrl-C")),
    }
}
