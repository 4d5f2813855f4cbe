//! What there is to run: languages, cases, and who plays which role.

use calog::Broker;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The roles that a case may have, in the order in which they are loaded. `case` is always there.
pub(crate) const ROLES: [&str; 3] = ["third", "other", "case"];

/// A language, as the broker knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Language {
    pub(crate) name: String,
    pub(crate) extensions: Vec<String>,
}

/// Every language that the broker of this build speaks.
pub(crate) fn languages() -> Vec<Language> {
    let broker = Broker::builder().workers(1).build().unwrap();
    let owned = |(name, extensions): (&str, &[&str])| Language {
        name: name.into(),
        extensions: extensions.iter().map(ToString::to_string).collect(),
    };
    broker.engines().map(owned).collect()
}

/// The folder of all cases.
pub(crate) fn all() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases")
}

/// The folders in `folder`, sorted; only those that the variable `CASE` names, if it is set, which
/// helps whoever writes a new column.
pub(crate) fn folders(folder: &Path) -> Vec<PathBuf> {
    let wanted = std::env::var("CASE").ok();
    let is_wanted = |path: &PathBuf| match &wanted {
        Some(wanted) => path.ends_with(wanted) || !path.starts_with(all()),
        None => true,
    };
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|path| path.is_dir() && is_wanted(path));
    folders.sort();
    folders
}

/// One case: its folder, its roles, and what it must print.
pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
    /// In the order in which they are loaded.
    roles: Vec<&'static str>,
    pub(crate) expected: String,
    /// The languages that take no part in it.
    without: Vec<String>,
    /// Does this build have all that it needs?
    is_possible: bool,
}

/// Who plays which role.
pub(crate) struct Part {
    pub(crate) role: &'static str,
    pub(crate) language: String,
    pub(crate) script: PathBuf,
}

impl Case {
    /// The case in `folder`, and everything that is wrong with its files. Files of languages that
    /// this build does not speak are passed over.
    pub(crate) fn read(folder: &Path, languages: &[Language]) -> (Self, Vec<String>) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut problems = Vec::new();
        let mut stems = BTreeSet::from(["case".to_string()]);
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let Some(extension) = path.extension().and_then(|e| e.to_str()) else { continue };
            if languages.iter().any(|l| l.extensions.iter().any(|e| e == extension)) {
                stems.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
            }
        }
        for stem in stems.iter().filter(|stem| !ROLES.contains(&stem.as_str())) {
            problems.push(format!("{name}: `{stem}` is no role; there is {}", ROLES.join(", ")));
        }
        let roles: Vec<_> = ROLES.into_iter().filter(|role| stems.contains(*role)).collect();
        // A checkout may have turned the line ends into CR LF.
        let expected = fs::read_to_string(folder.join("expected"));
        let expected = expected.map(|text| text.replace("\r\n", "\n")).unwrap_or_else(|error| {
            problems.push(format!("{name}: no {name}/expected: {error}"));
            String::new()
        });
        // The first word of each line of `without` is a language, what follows is the reason.
        let without = fs::read_to_string(folder.join("without")).unwrap_or_default();
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_string();
        let without = without.lines().map(first).collect();
        // So it is in `needs`, where the word is a part of calog.
        let needs = fs::read_to_string(folder.join("needs")).unwrap_or_default();
        let mut is_possible = true;
        for part in needs.lines().map(first) {
            match part.as_str() {
                "net" => is_possible &= cfg!(feature = "net"),
                "http" => is_possible &= cfg!(feature = "http"),
                "unix" => is_possible &= cfg!(unix),
                other => problems.push(format!("{name}: nothing is called `{other}` in `needs`")),
            }
        }
        let folder = folder.to_path_buf();
        let case = Self { name, folder, roles, expected, without, is_possible };
        for language in languages.iter().filter(|language| case.has(language)) {
            let missing = case.roles.iter().filter(|role| case.script(role, language).is_none());
            problems.extend(missing.map(|role| {
                let (name, extension) = (&case.name, &language.extensions[0]);
                format!("{name}: no {name}/{role}.{extension}: the {} column", language.name)
            }));
        }
        (case, problems)
    }

    /// Does the language take part in it?
    fn has(&self, language: &Language) -> bool {
        self.is_possible && !self.without.contains(&language.name)
    }

    fn script(&self, role: &str, language: &Language) -> Option<PathBuf> {
        let path = |extension| self.folder.join(format!("{role}.{extension}"));
        language.extensions.iter().map(path).find(|path| path.is_file())
    }

    /// Every way to give the roles to the languages that have them.
    pub(crate) fn casts(&self, languages: &[Language]) -> Vec<Vec<Part>> {
        let languages: Vec<_> =
            languages.iter().filter(|language| self.has(language)).cloned().collect();
        let part = |(role, language): (&&'static str, &&Language)| {
            let script = self.script(role, language)?;
            Some(Part { role, language: language.name.clone(), script })
        };
        let cast = |cast: Vec<&Language>| self.roles.iter().zip(&cast).map(part).collect();
        casts(&self.roles, &languages).into_iter().filter_map(cast).collect()
    }
}

/// Every way to give `roles` to `languages`: the last one changes fastest.
pub(crate) fn casts<'a>(roles: &[&str], languages: &'a [Language]) -> Vec<Vec<&'a Language>> {
    let mut casts = vec![Vec::new()];
    for _ in roles {
        let with = |cast: &Vec<&'a Language>| {
            let cast = cast.clone();
            languages.iter().map(move |language| [cast.as_slice(), &[language]].concat())
        };
        casts = casts.iter().flat_map(with).collect();
    }
    casts
}

#[test]
fn every_ordered_pair_is_cast() {
    let language = |name: &str| Language { name: name.into(), extensions: vec![name.into()] };
    let two = [language("a"), language("b")];
    let names = |roles: &[&str]| -> Vec<String> {
        let name = |cast: Vec<&Language>| cast.iter().map(|l| l.name.as_str()).collect();
        casts(roles, &two).into_iter().map(name).collect()
    };
    assert_eq!(names(&["case"]), ["a", "b"]);
    assert_eq!(names(&["other", "case"]), ["aa", "ab", "ba", "bb"]);
    assert_eq!(names(&ROLES).len(), 8);
    assert!(casts(&ROLES, &[]).is_empty());
}
