//! The conformance kit: the same case, written once in each language, with one expected output.
//!
//! Nothing here names a language. The engines are those that the broker has, and every case runs
//! for every way to give its roles to them, with one worker and with two. The README beside this
//! file says what a case is and what its scripts find.

// The helpers of a test may fail as the test itself may; clippy.toml excuses only test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod difference;
mod host;
mod run;
mod trees;
mod values;

use cases::{Case, Language, folders, languages};
use std::{fs, path::Path};

/// Runs every case in `folder`; gives back what failed, and how many runs there were.
async fn failures(folder: &Path, languages: &[Language], workers: usize) -> (Vec<String>, usize) {
    let (mut failures, mut runs) = (Vec::new(), 0);
    for folder in folders(folder) {
        let (case, problems) = Case::read(&folder, languages);
        failures.extend(problems);
        for cast in case.casts(languages) {
            runs += 1;
            failures.extend(run::check(&case, &cast, workers).await);
        }
    }
    (failures, runs)
}

async fn every_case_passes(workers: usize) {
    let languages = languages();
    let (failures, runs) = failures(&cases::all(), &languages, workers).await;
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n"));
    // Without engines there is nothing to prove; with one, an empty folder would prove nothing.
    assert!(languages.is_empty() || runs > 0, "no case was found");
}

#[tokio::test]
async fn every_case_passes_on_one_worker() {
    every_case_passes(1).await;
}

#[tokio::test]
async fn every_case_passes_on_two_workers() {
    every_case_passes(2).await;
}

/// A copy of one real case, for the tests of the kit itself.
fn copied(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join(name);
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(cases::all().join(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    folder
}

/// A kit that cannot fail proves nothing.
#[tokio::test]
async fn a_wrong_output_fails_and_says_where() {
    let languages = languages();
    let folder = copied("function_exports");
    let (good, runs) = failures(folder.path(), &languages, 1).await;
    assert_eq!((good, runs), (vec![], languages.len().pow(2)));

    let expected = folder.path().join("function_exports/expected");
    let lines = fs::read_to_string(&expected).unwrap();
    let (first, rest) = lines.split_once('\n').unwrap();
    fs::write(&expected, format!("something else\n{rest}and more\n")).unwrap();
    let (bad, _) = failures(folder.path(), &languages, 1).await;
    assert_eq!(bad.len(), runs);
    for (failure, cast) in bad.iter().zip(cases::casts(&["other", "case"], &languages)) {
        let title = format!(
            "function_exports: other in {}, case in {}, 1 worker\n",
            cast[0].name, cast[1].name
        );
        assert!(failure.starts_with(&title), "{failure}");
        let change = format!("\n-something else\n+{first}\n ");
        assert!(failure.contains(&change) && failure.contains("\n-and more\n"), "{failure}");
    }
}

#[tokio::test]
async fn a_missing_column_fails_and_is_named() {
    let languages = languages();
    for language in &languages {
        for role in ["case", "other"] {
            let folder = copied("function_exports");
            let gone = format!("function_exports/{role}.{}", language.extensions[0]);
            fs::remove_file(folder.path().join(&gone)).unwrap();
            let (bad, _) = failures(folder.path(), &languages, 1).await;
            // With a single language, a role without any file is one that nobody knows of, and
            // the case fails for what it then lacks.
            let named = bad.iter().any(|failure| failure.contains(&format!("no {gone}")));
            assert!(named || (languages.len() == 1 && !bad.is_empty()), "{gone}: {bad:?}");
            assert!(named || role == "other", "{gone}: {bad:?}");
        }
    }
}

#[tokio::test]
async fn a_case_without_an_output_or_with_a_stray_file_fails() {
    let languages = languages();
    let Some(language) = languages.first() else { return };
    let folder = copied("function_exports");
    let case = folder.path().join("function_exports");
    fs::remove_file(case.join("expected")).unwrap();
    fs::write(case.join(format!("oter.{}", language.extensions[0])), "").unwrap();
    let (bad, _) = failures(folder.path(), &languages, 1).await;
    let says = |text: &str| bad.iter().any(|failure| failure.contains(text));
    assert!(says("no function_exports/expected"), "{bad:?}");
    assert!(says("`oter` is no role"), "{bad:?}");
}
