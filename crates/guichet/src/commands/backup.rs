//! `guichet backup FILE`: a consistent copy of the embedded database, made while it is in use.

use std::path::Path;

use db::Fault;

use crate::config::Config;
use crate::files;
use crate::trouble::Trouble;

/// Runs it and says what was done.
///
/// # Errors
/// The database is not embedded, or a file cannot be read or written.
pub async fn run(config: &Config, file: &Path) -> Result<String, Trouble> {
    if config.database.sqlite_path().is_none() {
        return Err(Trouble::new("PostgreSQL is backed up by its own tools")
            .because("they copy while it is in use, and restore to any moment")
            .remedy(format!(
                "run `pg_dump --format=custom --file={} \"$DATABASE_URL\"`, or set up continuous archiving",
                file.display()
            )));
    }
    if file.exists() {
        return Err(Trouble::new(format!("{} exists already", file.display()))
            .because("a backup never overwrites another file")
            .remedy("name a new file"));
    }
    let unwritten = |why: &dyn std::fmt::Display| {
        Trouble::new(format!("{} could not be copied to {}", config.database, file.display()))
            .because(why)
            .remedy("check that there is room, and that the folder is there and may be written to")
    };
    files::make_empty(file).map_err(|error| unwritten(&error))?;
    let (url, to) = (config.database.clone(), file.to_owned());
    let copied = tokio::task::spawn_blocking(move || db::backup(&url, &to)).await;
    if let Err(fault) = copied.expect("copying does not panic") {
        drop(std::fs::remove_file(file));
        return Err(match fault {
            Fault::Damaged(_) => Trouble::of_store(&fault, &config.database),
            _ => unwritten(&fault),
        });
    }
    Ok(format!(
        "{} is copied to {}. Keep the master key apart from it: together they open every stored secret.",
        config.database,
        file.display()
    ))
}
