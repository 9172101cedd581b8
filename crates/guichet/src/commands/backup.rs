//! `guichet backup FILE`: a consistent copy of the embedded database, made while it is in use.

use std::path::Path;

use crate::config::Config;
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
    let (url, to) = (config.database.clone(), file.to_owned());
    let copied = tokio::task::spawn_blocking(move || db::backup(&url, &to)).await;
    copied.expect("copying does not panic").map_err(|fault| Trouble::of_store(&fault, &config.database))?;
    Ok(format!(
        "{} is copied to {}. Keep the master key apart from it: together they open every stored secret.",
        config.database,
        file.display()
    ))
}
