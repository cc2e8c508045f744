//! The stage of the Rust tests for a browser: prints where it is, then does what standard input says, one line each, and says `done`:
//! `danger <from> <to>` and `calm <from> <to>` (tags from..to), `stall`, `go`. Ends with its input. Must not know: what the browser looks for.
#![allow(clippy::unwrap_used)]

#[path = "../all/stage.rs"]
mod stage;

use stage::{CALM, DANGER, ROLES, Stage, token};
use std::io::BufRead;

#[tokio::main]
async fn main() {
    let tags = std::env::args().nth(1).map_or(600, |tags| tags.parse().unwrap());
    let stage = Stage::open(tags);
    println!("{}/#token={}", stage.address, token(ROLES[2]));
    let reading = tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lock().lines() {
            let line = line.unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["danger", from, to] => stage.actors().read(from.parse().unwrap()..to.parse().unwrap(), DANGER),
                ["calm", from, to] => stage.actors().read(from.parse().unwrap()..to.parse().unwrap(), CALM),
                ["stall"] => stage.actors().stalled = true,
                ["go"] => stage.actors().stalled = false,
                _ => panic!("{line:?} is no line of the play"),
            }
            stage.actors().publish();
            println!("done");
        }
        stage
    });
    reading.await.unwrap().close().await;
}
