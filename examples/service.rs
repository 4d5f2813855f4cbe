//! An async service whose request handler is a script: 1,000 requests at once, one Lua context.
//!
//! `cargo run --release --example service` prints something like:
//!
//! ```text
//! 1000 requests of 50 ms each took 82 ms, not 50 s
//! the last answer: user-1000 has 3 orders
//! ```

use calog::{Broker, Result};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The handler reads like blocking code. While it waits for the database, the context serves others.
const HANDLER: &str = r#"
    expose("handle", function(id)
        local user = query_user(id)
        return user .. " has 3 orders"
    end)
"#;

const REQUESTS: i64 = 1000;
const QUERY: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> Result<()> {
    let broker = Broker::builder()
        .native_async("query_user", |id: i64| async move {
            tokio::time::sleep(QUERY).await;
            format!("user-{id}")
        })
        .build()?;
    let context = broker.open("lua").name("handler").await?;
    context.eval::<()>(HANDLER).await?;

    let start = Instant::now();
    let mut requests = JoinSet::new();
    for id in 1..=REQUESTS {
        // `Context` is cheap to clone and may be used from any thread.
        let context = context.clone();
        requests.spawn(async move { (id, context.call::<String>("handle", (id,)).await) });
    }
    let mut last = String::new();
    while let Some(request) = requests.join_next().await {
        let Ok((id, answer)) = request else { continue };
        let answer = answer?;
        if id == REQUESTS {
            last = answer;
        }
    }
    let took = start.elapsed().as_millis();
    let one_by_one = REQUESTS as u128 * QUERY.as_millis() / 1000;
    println!(
        "{REQUESTS} requests of {} ms each took {took} ms, not {one_by_one} s",
        QUERY.as_millis()
    );
    println!("the last answer: {last}");
    broker.shutdown(Duration::from_secs(1)).await
}
