//! Our attempts against the acquirer's own books.

use std::collections::{BTreeMap, HashMap};

use db::{Fault, Record, Snapshot, args};
use kernel::verify::Report;
use kernel::{AttemptId, PaymentId, sha256};

use super::queries::{FIRST_ATTEMPTS, PAYOUTS};
use super::{KNOWN, MATCHED, NoBooks};
use crate::acquirer::{ChargeListing, ListedCharge};
use crate::payouts::PayoutRow;
use crate::rows::PaymentRow;
use crate::types::{AttemptKind, AttemptState};

/// Charges read from the books at a time.
const PAGE: u32 = 10_000;

/// What an acquirer said it charged, before the snapshot was taken. A charge takes few bytes here: of its facts a digest is kept.
pub struct AcquirerBooks<'a> {
    listing: &'a dyn ChargeListing,
    charges: HashMap<AttemptId, [u8; 16]>,
}

/// Reads an acquirer's books; to be done before the snapshot is taken.
///
/// # Errors
/// [`NoBooks::Unreadable`].
pub async fn read_books(listing: &dyn ChargeListing) -> Result<AcquirerBooks<'_>, NoBooks> {
    let mut charges = HashMap::new();
    let mut after = None;
    loop {
        let page = listing.charges(after, PAGE).await.map_err(NoBooks::Unreadable)?;
        let Some(last) = page.last() else { return Ok(AcquirerBooks { listing, charges }) };
        after = Some(last.attempt_id);
        charges.extend(page.iter().map(|charge| (charge.attempt_id, digest(charge))));
    }
}

impl AcquirerBooks<'_> {
    /// What the books say now about the doubtful attempts, which are mostly the newest.
    async fn read_again(&self, doubts: &BTreeMap<AttemptId, Doubt>) -> HashMap<AttemptId, ListedCharge> {
        let mut found = HashMap::new();
        let (Some(first), Some(last)) = (doubts.keys().next(), doubts.keys().next_back()) else { return found };
        let mut after = AttemptId::from_bytes(u128::from_be_bytes(first.bytes()).wrapping_sub(1).to_be_bytes());
        while after < *last {
            let Ok(page) = self.listing.charges(Some(after), PAGE).await else { return found };
            let Some(end) = page.last() else { return found };
            after = end.attempt_id;
            found.extend(
                page.into_iter()
                    .filter(|charge| doubts.contains_key(&charge.attempt_id))
                    .map(|charge| (charge.attempt_id, charge)),
            );
        }
        found
    }
}

/// Everything that both sides must agree on.
fn digest(charge: &ListedCharge) -> [u8; 16] {
    let ListedCharge { connector, attempt_id, account_id, payment_id, amount, captured, refunded, voided } = charge;
    let hash = sha256(&[
        connector.name().as_bytes(),
        &attempt_id.bytes(),
        &account_id.bytes(),
        &payment_id.bytes(),
        amount.currency().code().as_bytes(),
        &amount.minor().to_be_bytes(),
        &captured.to_be_bytes(),
        &refunded.to_be_bytes(),
        &voided.to_be_bytes(),
    ]);
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

/// One of our attempts that differs from the books, to be looked up once more.
struct Doubt {
    ours: ListedCharge,
    /// What the books said first.
    theirs: Option<[u8; 16]>,
    /// Something about the payment is under way, so the books may be ahead of us.
    moving: bool,
    approved: bool,
}

/// What comparing found.
#[derive(Default)]
struct Compared {
    approved: u64,
    pending: u64,
    doubts: BTreeMap<AttemptId, Doubt>,
}

impl Compared {
    /// Compares one attempt of ours with what the books say about it.
    fn attempt(&mut self, books: &mut AcquirerBooks<'_>, state: AttemptState, ours: ListedCharge, moving: bool, settled: bool) {
        let theirs = books.charges.remove(&ours.attempt_id);
        let is_approved = state == AttemptState::Succeeded;
        self.approved += u64::from(is_approved);
        self.pending += u64::from(theirs.is_some() && state.is_open());
        let agrees = match theirs {
            None => !is_approved,
            Some(_) if state.is_open() => !settled,
            Some(facts) => is_approved && facts == digest(&ours),
        };
        if !agrees {
            self.doubts.insert(ours.attempt_id, Doubt { ours, theirs, moving, approved: is_approved });
        }
    }
}

/// Compares both sides. A charge that is ahead of us because its attempt is under way counts as pending, not as broken.
pub(super) async fn verify(
    snapshot: &mut Snapshot,
    books: AcquirerBooks<'_>,
    settled: bool,
    report: &mut Report,
) -> Result<(), Fault> {
    let mut books = books;
    let listed = u64::try_from(books.charges.len()).unwrap_or(u64::MAX);
    let mut compared = Compared::default();
    let states = args![AttemptKind::Cancel, AttemptState::Succeeded, AttemptState::Sending, AttemptState::Unknown];
    snapshot
        .each(&FIRST_ATTEMPTS, states, |record| {
            let (row, ours, moving) = ours(&record)?;
            if books.listing.covers(row.connector) {
                compared.attempt(&mut books, row.attempt, ours, moving, settled);
            }
            Ok(())
        })
        .await?;
    snapshot
        .each(&PAYOUTS, args![], |record| {
            let row: PayoutRow = record.row(0)?;
            if books.listing.covers(row.connector) {
                compared.attempt(&mut books, row.state, ours_of_payout(&row), false, settled);
            }
            Ok(())
        })
        .await?;
    let Compared { approved, pending, doubts } = compared;
    for attempt in books.charges.keys() {
        report.broken(MATCHED.0, "local attempt of a charge", attempt, "one", "none");
    }
    let mut now = books.read_again(&doubts).await;
    for (attempt, doubt) in doubts {
        judge(now.remove(&attempt), &doubt, report);
    }
    if pending > 0 {
        tracing::info!(pending, "charges whose attempts are under way");
    }
    report.checked(MATCHED.0, MATCHED.1, listed);
    report.checked(KNOWN.0, KNOWN.1, approved);
    Ok(())
}

fn ours(record: &Record) -> Result<(PaymentRow, ListedCharge, bool), Fault> {
    let row: PaymentRow = record.row(0)?;
    let first = <PaymentRow as db::Table>::META.columns.len();
    let (voided, open): (i64, i64) = (record.get(first)?, record.get(first + 1)?);
    let charge = ListedCharge {
        connector: row.connector,
        attempt_id: row.attempt_id,
        account_id: row.account_id,
        payment_id: row.id,
        amount: row.money(),
        captured: row.captured,
        refunded: row.refunded,
        voided,
    };
    Ok((row, charge, open > 0))
}

fn ours_of_payout(row: &PayoutRow) -> ListedCharge {
    ListedCharge {
        connector: row.connector,
        attempt_id: row.attempt_id,
        account_id: row.account_id,
        payment_id: PaymentId::from_uuid(row.id.uuid()),
        amount: row.money(),
        captured: 0,
        refunded: 0,
        voided: 0,
    }
}

/// The books were read before our snapshot: what happened in between shows in them now.
fn judge(now: Option<ListedCharge>, doubt: &Doubt, report: &mut Report) {
    let Doubt { ours, theirs: before, moving, approved } = doubt;
    let place = format!("attempt {}", ours.attempt_id);
    match now {
        None if *approved => report.broken(KNOWN.0, "charge of an approved attempt", place, "one", "none"),
        None => {}
        Some(_) if !approved => report.broken(MATCHED.0, "state of a charged attempt", place, "approved", "not approved"),
        Some(now) if now == *ours => {}
        // Books that moved since, or that are ahead by what is under way.
        Some(now) if (*moving || *before != Some(digest(&now))) && ahead(&now, ours) => {}
        Some(now) => report.broken(MATCHED.0, "amounts of a charge", place, sums(&now), sums(ours)),
    }
}

fn ahead(theirs: &ListedCharge, ours: &ListedCharge) -> bool {
    let ListedCharge { captured, refunded, voided, .. } = *theirs;
    let same = ListedCharge { captured: ours.captured, refunded: ours.refunded, voided: ours.voided, ..theirs.clone() } == *ours;
    same && captured >= ours.captured && refunded >= ours.refunded && voided >= ours.voided
}

fn sums(charge: &ListedCharge) -> String {
    let ListedCharge { amount, captured, refunded, voided, connector, .. } = charge;
    format!("{amount} at {}, captured {captured}, refunded {refunded}, voided {voided}", connector.name())
}
