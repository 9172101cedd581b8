//! `guichet migrate`: brings the schema up to date. `serve` refuses an outdated one, so that an upgrade is a decision.

use db::SchemaState;

use crate::config::Config;
use crate::files;
use crate::schema::MIGRATIONS;
use crate::trouble::Trouble;

/// Runs it and says what was done.
///
/// # Errors
/// The database cannot be reached, or its schema is not one this program can bring up to date.
pub async fn run(config: &Config) -> Result<String, Trouble> {
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let is_new = match config.database.sqlite_path() {
        Some(path) if !path.exists() => {
            files::make_folder(path.parent().unwrap_or(path))
                .map_err(|error| Trouble::new(format!("cannot make the folder of {}", path.display())).because(error))?;
            true
        }
        _ => false,
    };
    // A file whose first writer was killed may not be readable until it is opened to be written.
    if !is_new && matches!(db::schema_state(&config.database, None, MIGRATIONS).await, Ok(SchemaState::Current)) {
        return Ok(format!("The schema of {} is up to date.", config.database));
    }
    db::migrate(&config.database, None, MIGRATIONS).await.map_err(of_store)?;
    Ok(format!("The schema of {} has been brought up to date.", config.database))
}
