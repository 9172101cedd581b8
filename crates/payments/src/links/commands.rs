//! The decisions about links.

use db::{Keys, Rows};
use idempotency::Reply;
use kernel::{AccountId, PaymentLinkId, Timestamp};

use super::rows::{LinkPaymentRow, LinkRow};
use super::rules::Openness;
use super::types::{CreateLink, LinkFacts, LinkState};
use crate::commands::{Charge, Decision};
use crate::customers;
use crate::error::Refusal;
use crate::facts::Faces;
use crate::origin::JSON;

/// `POST /v1/payment-links`.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) account_id: AccountId,
    /// The link's fresh id.
    pub(crate) id: PaymentLinkId,
    pub(crate) ask: CreateLink,
    pub(crate) faces: Faces,
}

impl Create {
    fn row(&self, now: Timestamp) -> LinkRow {
        let ask = self.ask.clone();
        LinkRow {
            account_id: self.account_id,
            id: self.id,
            country: ask.country,
            currency: ask.amount.currency(),
            amount: ask.amount.minor(),
            description: ask.description,
            merchant_order_id: ask.merchant_order_id,
            capture: ask.capture,
            one_time_use: ask.one_time_use,
            callback_url: ask.callback_url,
            start_at: ask.start_at,
            finish_at: ask.finish_at,
            details: ask.details,
            created_at: now,
            state: LinkState::Created,
            payments_number: 0,
            paying: None,
            updated_at: now,
        }
    }
}

impl Decision for Create {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.fresh::<LinkRow>((self.account_id, self.id));
        customers::payer_keys(keys, self.account_id, self.ask.customer_id.as_deref());
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        if self.ask.finish_at.is_some_and(|finish| finish <= now || self.ask.start_at.is_some_and(|start| finish <= start)) {
            return Err(Refusal::InvalidDate("availability.finish_at: must be in the future and after the start"));
        }
        customers::payer(rows, self.account_id, self.ask.customer_id.as_deref())?;
        let link = self.row(now);
        let facts = LinkFacts { link: &link, payments: &[], base_url: &self.ask.base_url, now };
        let reply = Reply { status: 200, content_type: JSON.into(), location: None, body: (self.faces.link)(&facts).into() };
        rows.append(link);
        Ok(reply)
    }
}

/// Takes a link back. The reply is drawn by the caller, who reads the payments made through it.
#[derive(Debug)]
pub(crate) struct Cancel {
    pub(crate) key: (AccountId, PaymentLinkId),
    /// The payments made through it, as they were read.
    pub(crate) payments: Vec<super::PaidThrough>,
    pub(crate) base_url: std::sync::Arc<str>,
    pub(crate) faces: Faces,
}

impl Decision for Cancel {
    fn keys(&self, keys: &mut Keys<'_>) {
        keys.row::<LinkRow>(self.key);
    }

    fn decide(&self, rows: &mut Rows, now: Timestamp) -> Result<Reply, Refusal> {
        let link = rows.get_mut::<LinkRow>(&self.key).ok_or(Refusal::LinkNotFound)?;
        match link.openness(now) {
            // What is under way may still be charged, and nobody shall pay a link that was taken back.
            Openness::Open | Openness::NotYet(_) if link.paying.is_some() => return Err(Refusal::LinkBusy),
            Openness::Open | Openness::NotYet(_) => {}
            Openness::Expired | Openness::Used | Openness::Cancelled => return Err(Refusal::InvalidStatus),
        }
        link.state = LinkState::Cancelled;
        link.updated_at = now;
        let facts = LinkFacts { link, payments: &self.payments, base_url: &self.base_url, now };
        Ok(Reply { status: 200, content_type: JSON.into(), location: None, body: (self.faces.link)(&facts).into() })
    }
}

/// Names the rows that [`begin`] touches.
pub(crate) fn begin_keys(keys: &mut Keys<'_>, link: PaymentLinkId, charge: &Charge) {
    keys.row::<LinkRow>((charge.account_id, link));
    keys.fresh::<LinkPaymentRow>((charge.account_id, charge.payment_id));
}

/// Takes the link for a payment, in the commit that writes the payment's intent.
///
/// # Errors
/// [`Refusal::LinkClosed`] when it may not be paid now, [`Refusal::LinkBusy`] while another payment of it is under way.
pub(crate) fn begin(rows: &mut Rows, id: PaymentLinkId, charge: &Charge, now: Timestamp) -> Result<(), Refusal> {
    let link = rows.get_mut::<LinkRow>(&(charge.account_id, id)).ok_or(Refusal::LinkNotFound)?;
    if link.openness(now) != Openness::Open {
        return Err(Refusal::LinkClosed);
    }
    if link.one_time_use {
        if link.paying.is_some() {
            return Err(Refusal::LinkBusy);
        }
        link.paying = Some(charge.payment_id);
    }
    rows.append(LinkPaymentRow { account_id: charge.account_id, payment_id: charge.payment_id, link_id: id });
    Ok(())
}
