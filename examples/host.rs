//! A game-like host: scripts act on the world through a host native, which runs when the frame loop pumps.
//!
//! `cargo run --example host` prints:
//!
//! ```text
//! frame 1: 2 host calls, world: goblin 1, troll 1
//! frame 2: 2 host calls, world: goblin 1, goblin 2, troll 1, troll 2
//! frame 3: 2 host calls, world: goblin 1, goblin 2, goblin 3, troll 1, troll 2, troll 3
//! ```

use calog::{Broker, Result};
use std::{cell::RefCell, rc::Rc, time::Duration};

const SCRIPT: &str = r#"
    expose(KIND .. "_tick", function(frame)
        -- Waits until the host pumps.
        spawn(KIND .. " " .. frame)
    end)
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Neither `Send` nor locked: host natives run on this thread, one at a time.
    let world = Rc::new(RefCell::new(Vec::new()));
    let in_native = world.clone();
    let (broker, mut host) = Broker::builder()
        .native_host("spawn", move |creature: String| in_native.borrow_mut().push(creature))
        .build_with_host()?;
    let mut creatures = Vec::new();
    for kind in ["goblin", "troll"] {
        let context = broker.open("lua").name(kind).await?;
        context.eval::<()>(&format!("local KIND = {kind:?} {SCRIPT}")).await?;
        creatures.push((context, format!("{kind}_tick")));
    }
    for frame in 1..=3 {
        for (context, tick) in &creatures {
            context.post(tick, (frame,))?;
        }
        // A real loop would draw here and pump once a frame. This one pumps until both scripts were heard,
        // so that it prints the same every time.
        let mut calls = 0;
        while calls < creatures.len() {
            calls += host.pump();
            tokio::task::yield_now().await;
        }
        world.borrow_mut().sort();
        println!("frame {frame}: {calls} host calls, world: {}", world.borrow().join(", "));
    }
    broker.shutdown(Duration::from_secs(1)).await
}
