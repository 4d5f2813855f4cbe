//! Embeds calog: one native for scripts, one script function for Rust.
//!
//! `cargo run --example embed` prints:
//!
//! ```text
//! hello from JavaScript, user 42
//! a script returned: Ada Lovelace has 3 orders
//! ```

use calog::{Broker, Result};
use std::time::Duration;

const SCRIPT: &str = r#"
    function describe(id) {
        const user = get_user(id);
        console.log(`hello from JavaScript, user ${id}`);
        return `${user} has 3 orders`;
    }
    expose("describe", describe);
"#;

#[tokio::main]
async fn main() -> Result<()> {
    let broker = Broker::builder()
        .native_async("get_user", |id: i64| async move {
            // A database would be asked here; the script waits, no thread does.
            tokio::task::yield_now().await;
            if id == 42 { Ok("Ada Lovelace") } else { Err(format!("no user {id}")) }
        })
        .build()?;
    let context = broker.open("js").await?;
    context.eval::<()>(SCRIPT).await?;
    let text: String = context.call("describe", (42,)).await?;
    println!("a script returned: {text}");
    broker.shutdown(Duration::from_secs(1)).await
}
