//! An async service whose request handlers are scripts: 1,000 requests at once into one Lua context,
//! then as many into one JavaScript context.
//!
//! `cargo run --release --example service` prints something like:
//!
//! ```text
//! lua: 1000 requests of 50 ms each took 82 ms, not 50 s; the last answer: user-1000 has 3 orders
//! js: 1000 requests of 50 ms each took 91 ms, not 50 s; the last answer: user-1000 has 3 orders
//! ```

use calog::{Broker, Result};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Each handler reads like blocking code. While it waits for the database, its context serves
/// others. In JavaScript that takes the promise: plain calls wait for each other in nested order.
const HANDLERS: [(&str, &str); 2] = [
    (
        "lua",
        r#"
        expose("handle", function(id)
            local user = query_user(id)
            return user .. " has 3 orders"
        end)
        "#,
    ),
    (
        "js",
        r#"
        async function handle(id) {
            const user = await query_user.async(id);
            return `${user} has 3 orders`;
        }
        expose("handle", handle);
        "#,
    ),
];

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
    for (language, handler) in HANDLERS {
        serve(&broker, language, handler).await?;
    }
    broker.shutdown(Duration::from_secs(1)).await
}

async fn serve(broker: &Broker, language: &str, handler: &str) -> Result<()> {
    let context = broker.open(language).name("handler").await?;
    context.eval::<()>(handler).await?;

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
    let each = QUERY.as_millis();
    println!(
        "{language}: {REQUESTS} requests of {each} ms each took {took} ms, not {one_by_one} s; \
         the last answer: {last}"
    );
    context.close().await;
    Ok(())
}
