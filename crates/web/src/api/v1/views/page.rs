//! Pages of lists that go on at a cursor.

use std::marker::PhantomData;

use payments::reports::{ReportPage, ReportRow};
use payments::{Challenges, PaymentRead};
use utoipa::openapi::{RefOr, Schema};

use super::payment::PaymentView;
use super::report::ReportView;
use crate::object::Components;
use crate::view::{View, drawn, view};

view! {
    /// A page of payments, newest first.
    pub(in crate::api::v1) struct PaymentsView<'a> as "Payments" {
        items: Vec<Already<PaymentView<'a>>>,
        /// The `cursor` of the next page; null on the last one.
        next_cursor: Option<String>,
    }
}

view! {
    /// A page of reports, newest first.
    pub(in crate::api::v1) struct ReportsView<'a> as "Reports" {
        items: Vec<ReportView<'a>>,
        /// The `cursor` of the next page; null on the last one.
        next_cursor: Option<String>,
    }
}

/// A view that is drawn already, because it borrowed from what is gone.
pub(in crate::api::v1) struct Already<V>(Vec<u8>, PhantomData<fn() -> V>);

impl<V: View> View for Already<V> {
    fn draw(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn property() -> RefOr<Schema> {
        V::property()
    }

    fn components(into: &mut Components) {
        V::components(into);
    }
}

impl PaymentsView<'_> {
    /// Drawn.
    pub(in crate::api::v1) fn drawn(found: &[PaymentRead], next_cursor: Option<String>, challenges: &Challenges) -> Vec<u8> {
        let one = |read: &PaymentRead| Already(PaymentView::drawn(&read.facts(false, false, challenges)), PhantomData);
        drawn(&PaymentsView { items: found.iter().map(one).collect(), next_cursor })
    }
}

impl ReportsView<'_> {
    /// Drawn.
    pub(in crate::api::v1) fn drawn(page: &ReportPage, next_cursor: Option<String>) -> Vec<u8> {
        let items = page.items.iter().map(|row: &ReportRow| ReportView::of(row)).collect();
        drawn(&ReportsView { items, next_cursor })
    }
}
