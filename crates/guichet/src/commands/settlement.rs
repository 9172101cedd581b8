//! `guichet settlement import|list|show`: what acquirers say they paid, matched with what they owe.

use std::fs::File;
use std::path::Path;

use db::Snapshot;
use kernel::{Money, SettlementId, Source};
use payments::Connector;
use payments::settlements::{
    self, DIFFERENCES_LISTED_MAX, ImportError, Imported, ListedDifference, SettlementRow, SettlementTotalRow, Standing, Step,
};
use serde_json::{Value, json};

use crate::config::Config;
use crate::schema::MIGRATIONS;
use crate::terminal;
use crate::trouble::Trouble;
use crate::wiring::Office;

/// How many lines are taken between two lines of progress.
const PROGRESS_LINES: u32 = 10_000;
/// Characters of a date.
const DATE_CHARS: usize = 10;

/// Takes a file in, saying how far it got, and gives what is printed at the end.
///
/// # Errors
/// An acquirer nobody knows, a file that is not a settlement, a database that cannot be written to.
pub async fn import(config: &Config, acquirer: &str, path: &Path, as_json: bool) -> Result<String, Trouble> {
    let nothing = || Trouble::new("nothing was imported");
    let connector = Connector::parse(acquirer).ok_or_else(|| {
        let names: Vec<&str> = Connector::ALL.iter().map(|connector| connector.name()).collect();
        nothing().because(format!("there is no acquirer `{acquirer}`")).remedy(format!("give one of {}", names.join(", ")))
    })?;
    let unreadable = |error: &dyn std::fmt::Display| nothing().because(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let is_file = file.metadata().map_err(|error| unreadable(&error))?.is_file();
    if !is_file {
        return Err(unreadable(&"it is read twice, so it must be a file").remedy("save it, and name the file"));
    }
    let office = Office::open(config, &Source::system()).await?;
    let imported = carry_out(&office, connector, path, file, as_json).await;
    office.close().await;
    let imported = imported.map_err(|error| explain(error, config, path))?;
    Ok(if as_json { imported_to_json(&imported).to_string() } else { imported_to_text(&imported) })
}

async fn carry_out(
    office: &Office,
    connector: Connector,
    path: &Path,
    file: File,
    as_json: bool,
) -> Result<Imported, ImportError> {
    // The name alone: where the file lay says nothing to others.
    let name = path.file_name().map(|name| name.to_string_lossy().chars().filter(|one| !one.is_control()).take(255).collect());
    let name: String = name.unwrap_or_default();
    let mut import = office.settlements.begin(connector, &name, file).await?;
    let mut said = 0;
    loop {
        match import.step().await? {
            Step::Done(imported) => return Ok(*imported),
            Step::Took(progress) if !as_json && progress.lines >= said + PROGRESS_LINES => {
                said = progress.lines;
                terminal::say(&format!("{} of {} lines so far", progress.lines, progress.of));
            }
            Step::Took(_) => {}
        }
    }
}

/// Tells a person why a file was not imported.
fn explain(error: ImportError, config: &Config, path: &Path) -> Trouble {
    let file = path.display();
    match error {
        ImportError::Misread(misread) => Trouble::new(format!("nothing of {file} was imported"))
            .because(misread)
            .remedy("correct it, or have the acquirer send it again; docs/operations.md says what the columns hold")
            .as_answer(),
        ImportError::Io(error) => Trouble::new(format!("{file} was not read to its end"))
            .because(error)
            .remedy("run the same command again; it goes on where it was"),
        changed @ ImportError::Changed => Trouble::new(format!("{file} was not booked"))
            .because(changed)
            .remedy("run the command with the file as it was first; what was taken of it is kept, and it goes on where it was"),
        ImportError::Refused(refusal) => Trouble::new(format!("{file} was not booked"))
            .because(refusal)
            .remedy("run `guichet verify`; if it finds nothing, this is a defect of guichet"),
        ImportError::Fault(fault) => Trouble::of_store(&fault, &config.database),
    }
}

fn imported_to_json(imported: &Imported) -> Value {
    let mut told = settlement_to_json(&imported.settlement);
    told["imported_before"] = imported.before.into();
    told["totals"] = imported.totals.iter().map(total_to_json).collect();
    told
}

fn imported_to_text(imported: &Imported) -> String {
    let row = &imported.settlement;
    let head = if imported.before {
        format!("{} was imported before, as settlement {}; nothing was changed.", row.file_name, row.id)
    } else {
        format!("{} is settlement {} of {}.", row.file_name, row.id, row.connector.name())
    };
    let mut lines = vec![head];
    lines.extend(imported.totals.iter().map(total_to_text));
    if row.differences > 0 {
        lines.push(format!("{} lines are not booked: `guichet settlement show {}` says why.", row.differences, row.id));
    }
    lines.join("\n")
}

/// How acquirers stand, and the files, newest first.
///
/// # Errors
/// The database cannot be read, or its schema is not this program's.
pub async fn list(config: &Config, as_json: bool) -> Result<String, Trouble> {
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let snapshot = snapshot(config).await?;
    let standings = settlements::overview(&snapshot).await.map_err(of_store)?;
    let files = settlements::settlements(&snapshot).await.map_err(of_store)?;
    if as_json {
        let acquirers: Value = standings.iter().map(standing_to_json).collect();
        let files: Value = files.iter().map(settlement_to_json).collect();
        return Ok(json!({ "acquirers": acquirers, "settlements": files }).to_string());
    }
    if standings.is_empty() && files.is_empty() {
        return Ok("No acquirer owes anything, and none has settled anything.".to_owned());
    }
    let lines: Vec<String> = standings.iter().map(standing_to_text).chain(files.iter().map(settlement_to_text)).collect();
    Ok(lines.join("\n"))
}

/// One file: its sums, and its differences behind a line.
///
/// # Errors
/// An id nobody knows; the database cannot be read, or its schema is not this program's.
pub async fn show(config: &Config, id: &str, after: u32, as_json: bool) -> Result<String, Trouble> {
    let of_store = |fault| Trouble::of_store(&fault, &config.database);
    let unknown = |why: String| Trouble::new("no settlement is shown").because(why);
    let remedy = "give an id that `guichet settlement list` shows";
    let id: SettlementId = id.parse().map_err(|error| unknown(format!("`{id}` is no settlement id: {error}")).remedy(remedy))?;
    let snapshot = snapshot(config).await?;
    let row = settlements::settlement(&snapshot, id).await.map_err(of_store)?;
    let row = row.ok_or_else(|| unknown(format!("there is no settlement {id}")).remedy(remedy).as_answer())?;
    let totals = settlements::totals(&snapshot, id).await.map_err(of_store)?;
    let differences = settlements::differences(&snapshot, id, after).await.map_err(of_store)?;
    let is_full = differences.len() >= DIFFERENCES_LISTED_MAX as usize;
    let next = differences.last().filter(|_| is_full).map(|last| last.row.line);
    if as_json {
        let mut told = settlement_to_json(&row);
        told["totals"] = totals.iter().map(total_to_json).collect();
        told["listed_differences"] = differences.iter().map(difference_to_json).collect();
        told["next_after"] = next.into();
        return Ok(told.to_string());
    }
    let mut lines = vec![settlement_to_text(&row)];
    lines.extend(totals.iter().map(total_to_text));
    lines.extend(differences.iter().map(difference_to_text));
    lines.extend(next.map(|line| format!("There may be more: `guichet settlement show {id} --after {line}`.")));
    Ok(lines.join("\n"))
}

async fn snapshot(config: &Config) -> Result<Snapshot, Trouble> {
    let snapshot = db::snapshot_of(&config.database, None, MIGRATIONS).await;
    snapshot.map_err(|fault| Trouble::of_store(&fault, &config.database))
}

/// Whether a file is booked.
fn state(row: &SettlementRow) -> &'static str {
    if row.booked_at.is_some() { "BOOKED" } else { "UNFINISHED" }
}

fn settlement_to_json(row: &SettlementRow) -> Value {
    json!({
        "id": row.id.to_string(), "acquirer": row.connector.name(), "file": &*row.file_name, "state": state(row),
        "lines": row.file_lines, "matched": row.matched, "differences": row.differences,
        "began_at": row.began_at.to_string(), "booked_at": row.booked_at.map(|at| at.to_string()),
    })
}

fn settlement_to_text(row: &SettlementRow) -> String {
    let SettlementRow { id, connector, file_name, file_lines, matched, differences, .. } = row;
    let rest = match row.booked_at {
        Some(at) => format!("booked {at}"),
        None => "not booked: import the same file again, and it goes on where it was".to_owned(),
    };
    format!("{id}  {} {file_name}: {file_lines} lines, {matched} matched, {differences} differences, {rest}", connector.name())
}

fn total_to_json(total: &SettlementTotalRow) -> Value {
    let text = |minor| Money::new(minor, total.currency).to_decimal_text();
    json!({
        "currency": total.currency.code(), "gross": text(total.gross), "cost": text(total.cost), "net": text(total.net),
        "matched": total.matched, "differences": total.differences, "unmatched_net": text(total.unmatched_net),
    })
}

fn total_to_text(total: &SettlementTotalRow) -> String {
    let money = |minor| Money::new(minor, total.currency);
    let matched = format!(
        "  {} lines matched: {} owed, {} kept as costs, {} paid",
        total.matched,
        money(total.gross),
        money(total.cost),
        money(total.net)
    );
    match total.differences {
        0 => matched,
        differences => format!("{matched}; {differences} differences of {} net are not booked", money(total.unmatched_net)),
    }
}

fn standing_to_json(standing: &Standing) -> Value {
    json!({
        "acquirer": standing.connector.name(), "currency": standing.due.currency().code(), "due": standing.due.to_decimal_text(),
        "settled": standing.settled.to_decimal_text(), "cost": standing.cost.to_decimal_text(),
        "differences": standing.differences, "unmatched_net": standing.unmatched.to_decimal_text(),
    })
}

fn standing_to_text(standing: &Standing) -> String {
    let Standing { connector, due, settled, cost, differences, unmatched } = standing;
    let told = format!("{}: {due} open, {settled} settled, {cost} of it costs", connector.name());
    match differences {
        0 => format!("{told}, no differences"),
        differences => format!("{told}, {differences} differences of {unmatched} net that nothing explains"),
    }
}

fn difference_to_json(listed: &ListedDifference) -> Value {
    let row = &listed.row;
    let text = |minor| Money::new(minor, row.currency).to_decimal_text();
    json!({
        "line": row.line, "difference": row.difference.word(), "explained": listed.explained, "kind": row.kind.word(),
        "attempt_id": row.named.as_deref(), "acquirer_reference": row.reference.as_deref(),
        "currency": row.currency.code(), "gross": text(row.gross), "cost": text(row.cost), "net": text(row.gross - row.cost),
        "settled_on": date(row.settled_on), "account_id": row.account_id.map(|account| account.to_string()),
        "our_attempt_id": row.attempt_id.map(|attempt| attempt.to_string()),
        "our_gross": ours(listed).map(Money::to_decimal_text), "our_currency": row.our_currency.map(kernel::Currency::code),
    })
}

fn difference_to_text(listed: &ListedDifference) -> String {
    let row = &listed.row;
    let named = row.named.as_deref().or(row.reference.as_deref()).unwrap_or_default();
    let gross = Money::new(row.gross, row.currency);
    let ours = ours(listed).map(|ours| format!(", {ours} here")).unwrap_or_default();
    let explained = if listed.explained { ", explained since" } else { "" };
    format!("  line {}: {} {} {named}: {gross}{ours}{explained}", row.line, row.difference.word(), row.kind.word())
}

/// What our attempt is about, as the line would say it.
fn ours(listed: &ListedDifference) -> Option<Money> {
    listed.row.our_amount.zip(listed.row.our_currency).map(|(minor, currency)| Money::new(minor, currency))
}

fn date(day: kernel::Timestamp) -> String {
    day.to_string().chars().take(DATE_CHARS).collect()
}
