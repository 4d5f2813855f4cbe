//! How the stress tests are written in each language: the one table to extend for a further engine.

use crate::runaways::{self, Runaway};
use calog::{Broker, Context, Open};
use std::time::Duration;

/// When a context must be at rest after all its calls were answered or given up.
const REST: Duration = Duration::from_secs(10);

/// What the tests need of a language.
pub(crate) struct Language {
    pub(crate) engine: &'static str,
    /// The script that contexts begin with; `ME` stands for the context's name.
    kit: &'static str,
    /// A script whose top level waits for ever.
    pub(crate) holds: &'static str,
    pub(crate) runaways: &'static [Runaway],
}

const LANGUAGES: &[Language] = &[
    Language {
        engine: "lua",
        kit: include_str!("kit.lua"),
        holds: "hold()",
        runaways: runaways::lua::RUNAWAYS,
    },
    Language {
        engine: "js",
        kit: include_str!("kit.js"),
        holds: "hold()",
        runaways: runaways::js::RUNAWAYS,
    },
    Language {
        engine: "basic",
        kit: include_str!("kit.bas"),
        holds: "hold()",
        runaways: runaways::basic::RUNAWAYS,
    },
];

/// The languages of all engines.
pub(crate) fn languages(broker: &Broker) -> Vec<&'static Language> {
    let row = |engine: &str| {
        let row = LANGUAGES.iter().find(|language| language.engine == engine);
        row.unwrap_or_else(|| panic!("the engine `{engine}` has no row in tests/stress/engines.rs"))
    };
    broker.engines().map(|(engine, _)| row(engine)).collect()
}

/// A context of each language on each of two workers, with the handles that it has at rest.
pub(crate) async fn on_both_workers(broker: &Broker) -> Vec<(Context, usize)> {
    let mut contexts = Vec::new();
    for (number, language) in languages(broker).into_iter().enumerate() {
        for worker in 0..2 {
            let name = format!("c{number}{worker}");
            let context = language.open_on(broker, &name, worker).await.unwrap();
            let handles = context.usage().await.unwrap().handles;
            contexts.push((context, handles));
        }
    }
    contexts
}

impl Language {
    /// A context named `name` with the kit, whose functions are `name.plus` and so on.
    pub(crate) async fn open(&self, broker: &Broker, name: &str) -> calog::Result<Context> {
        self.ready(broker.open(self.engine), name).await
    }

    /// The same on worker `worker`.
    pub(crate) async fn open_on(
        &self,
        broker: &Broker,
        name: &str,
        worker: usize,
    ) -> calog::Result<Context> {
        self.ready(broker.open(self.engine).worker(worker), name).await
    }

    async fn ready(&self, open: Open, name: &str) -> calog::Result<Context> {
        let context = open.name(name).await?;
        context.eval::<()>(&self.kit.replace("ME", name)).await?;
        Ok(context)
    }
}

/// Waits until nothing is under way in `context`, neither a call nor what calls have left, and until
/// others hold no more than `handles` of its functions.
pub(crate) async fn at_rest(context: &Context, handles: Option<usize>) {
    let rest = async {
        loop {
            let usage = context.usage().await.unwrap();
            let is_released = handles.is_none_or(|handles| usage.handles == handles);
            if (usage.calls, usage.tasks) == (0, 0) && is_released {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_time = tokio::time::timeout(REST, rest).await;
    assert!(in_time.is_ok(), "something is left in {context:?}: {:?}", context.usage().await);
}
