//! Opening a context.

use super::{Broker, Context};
use crate::{
    engine::{Engine, Source},
    error::{Error, ErrorKind, Result},
    limits::{Fidelity, Limits},
    permissions::Permissions,
    runtime::{Settings, Shared},
};
use futures::future::BoxFuture;
use std::{
    fmt,
    future::IntoFuture,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A context that is about to be opened: set what it shall have, then await it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> calog::Result<()> {
/// use calog::{Broker, Limits, Permissions};
/// let broker = Broker::builder().build()?;
/// let context = broker
///     .open("lua")
///     .name("rules")
///     .limits(Limits::default().memory_bytes(8 << 20))
///     .permissions(Permissions::none().allow_read("data"))
///     .await?;
/// assert_eq!(context.name(), "rules");
/// # Ok(())
/// # }
/// ```
#[must_use = "a context is not opened unless this is awaited"]
pub struct Open {
    broker: Broker,
    what: What,
    name: Option<String>,
    limits: Limits,
    fidelity: Fidelity,
    permissions: Permissions,
    worker: Option<usize>,
}

enum What {
    Engine(String),
    File(PathBuf),
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Engine(name) => write!(f, "Open({name})"),
            What::File(path) => write!(f, "Open({})", path.display()),
        }
    }
}

impl Open {
    fn new(broker: &Broker, what: What) -> Self {
        let shared = &broker.0.shared;
        Self {
            what,
            name: None,
            limits: shared.limits.clone(),
            fidelity: shared.fidelity,
            permissions: Permissions::none(),
            worker: None,
            broker: broker.clone(),
        }
    }

    pub(super) fn engine(broker: &Broker, name: &str) -> Self {
        Self::new(broker, What::Engine(name.to_string()))
    }

    pub(super) fn file(broker: &Broker, path: &Path) -> Self {
        Self::new(broker, What::File(path.to_path_buf()))
    }

    /// The context's name, instead of the file's stem or the engine's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the context may use, instead of the broker's limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What the context may reach. Nothing by default.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = permissions;
        self
    }

    /// How values cross, instead of the broker's setting.
    pub fn fidelity(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    /// The worker that shall run the context, from 0, instead of the next one in turn.
    pub fn worker(mut self, index: usize) -> Self {
        self.worker = Some(index);
        self
    }

    async fn open(self) -> Result<Context> {
        let shared = self.broker.0.shared.clone();
        let (engine, source) = match &self.what {
            What::Engine(name) => (engine_named(&shared, name)?, None),
            What::File(path) => {
                let (engine, path) = find(&shared, path)?;
                (engine, Some(read(&path)?))
            }
        };
        let stem =
            |source: &Source| Some(Path::new(&source.name).file_stem()?.to_str()?.to_string());
        let name = self.name.or_else(|| stem(source.as_ref()?));
        let settings = Settings {
            name: name.unwrap_or_else(|| engine.name().to_string()).into(),
            engine,
            limits: self.limits,
            fidelity: self.fidelity,
            permissions: self.permissions.absolute(),
            output: shared.output.clone(),
        };
        let context = Context(shared.open(settings, self.worker).await?);
        if let Some(source) = source {
            // Also when this future is dropped: nobody would know the context.
            let unfinished = CloseOnDrop(Some(context.clone()));
            if let Err(error) = context.load::<crate::Value>(source).await {
                context.0.give_up().await;
                return Err(error);
            }
            unfinished.keep();
        }
        Ok(context)
    }
}

struct CloseOnDrop(Option<Context>);

impl CloseOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(context) = self.0.take() {
            context.0.mailbox.control(crate::runtime::Control::Stop);
        }
    }
}

impl IntoFuture for Open {
    type Output = Result<Context>;
    type IntoFuture = BoxFuture<'static, Result<Context>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

fn engine_named(shared: &Shared, name: &str) -> Result<Arc<dyn Engine>> {
    let engine = shared.engines.iter().find(|engine| engine.name() == name).cloned();
    engine.ok_or_else(|| {
        let message = format!("no engine is called `{name}`; there is {}", known(shared));
        Error::new(ErrorKind::NotFound, message)
    })
}

/// The engines as a text: `lua (.lua)`.
fn known(shared: &Shared) -> String {
    let one = |engine: &Arc<dyn Engine>| {
        format!("{} (.{})", engine.name(), engine.extensions().join(", ."))
    };
    let all: Vec<_> = shared.engines.iter().map(one).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// The engine of a script file, and its whole path.
fn find(shared: &Shared, path: &Path) -> Result<(Arc<dyn Engine>, PathBuf)> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let knows = |engine: &&Arc<dyn Engine>| {
        extension.is_some_and(|extension| engine.extensions().contains(&extension))
    };
    if let Some(engine) = shared.engines.iter().find(knows) {
        return Ok((engine.clone(), path.to_path_buf()));
    }
    for engine in &shared.engines {
        for extension in engine.extensions() {
            let mut whole = path.as_os_str().to_owned();
            whole.push(".");
            whole.push(extension);
            if Path::new(&whole).is_file() {
                return Ok((engine.clone(), whole.into()));
            }
        }
    }
    let shown = path.display();
    if path.is_dir() {
        return Err(Error::new(ErrorKind::Load, format!("{shown} is a folder, not a script")));
    }
    if path.exists() {
        let message = format!("no engine for {shown}; there is {}", known(shared));
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Err(Error::new(ErrorKind::NotFound, format!("no script {shown}")))
}

fn read(path: &Path) -> Result<Source> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("no script {shown}")),
        io::ErrorKind::IsADirectory => {
            Error::new(ErrorKind::Load, format!("{shown} is a folder, not a script"))
        }
        _ => Error::new(ErrorKind::Io, format!("{shown}: {error}")),
    })?;
    let text = Source::decode(text, path.display())?;
    if text.trim().is_empty() {
        return Err(Error::new(ErrorKind::Load, format!("{shown} is empty")));
    }
    let folder = path.parent().map(|parent| match parent.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => parent.to_path_buf(),
    });
    Ok(Source { name: path.display().to_string(), text, folder, wants_result: false })
}
