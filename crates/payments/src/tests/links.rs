//! Payment links: paid once, counted once, whoever learns the outcome.

use db::DatabaseUrl;
use kernel::PaymentLinkId;

use super::bank::{Bank, Does};
use super::damage::Damage;
use super::house::*;
use super::recovery::Process;
use crate::links::{CreateLink, LinkPaymentRow, LinkRow, LinkState, Openness};
use crate::*;

fn link(minor: i64) -> CreateLink {
    CreateLink {
        country: kernel::Country::parse("FR").expect("a country"),
        amount: eur(minor),
        description: None,
        merchant_order_id: None,
        capture: true,
        one_time_use: true,
        callback_url: None,
        customer_id: None,
        start_at: None,
        finish_at: None,
        details: None,
        base_url: "https://pay.example".into(),
    }
}

impl House {
    async fn makes_link(&self, ask: CreateLink) -> PaymentLinkId {
        let answer = self.payments.create_link(MERCHANT, ask, None).await.expect("a link");
        let body = String::from_utf8(bytes(&answer).1).expect("text");
        body[7..43].parse().expect("an id")
    }

    async fn pays_link(&self, id: PaymentLinkId, token: &str, minor: i64) -> Result<Answer, PaymentsError> {
        let ask = for_order("link", purchase(minor));
        self.payments.create_for(MadeFor::Link(id), &TERMS, ask, once(&format!("/v1/links/{id}"), token)).await
    }

    async fn link(&self, id: PaymentLinkId) -> LinkRow {
        self.payments.get_link(MERCHANT, id).await.expect("reads").expect("it is there").link
    }

    async fn stands(&self, id: PaymentLinkId) -> (LinkState, i64, bool) {
        let link = self.link(id).await;
        (link.state, link.payments_number, link.paying.is_some())
    }
}

on_both_engines! {
    async fn a_link_for_one_use_is_paid_once(house) {
        let id = house.makes_link(link(900)).await;
        house.bank.will(&[Does::Decline]);
        let declined = house.pays_link(id, "t1", 900).await.expect("an answer");
        assert!(text(&declined).starts_with("DECLINED"));
        assert_eq!(house.stands(id).await, (LinkState::Created, 0, false));
        let paid = house.pays_link(id, "t2", 900).await.expect("a payment");
        assert!(text(&paid).starts_with("SUCCEEDED"));
        assert_eq!(house.stands(id).await, (LinkState::Used, 1, false));
        assert!(matches!(house.pays_link(id, "t2", 900).await, Ok(Answer::Replay(_))), "the same form again is the same payment");
        assert_eq!(refusal(house.pays_link(id, "t3", 900).await), Refusal::LinkClosed);
        let read = house.payments.get_link(MERCHANT, id).await.expect("reads").expect("it is there");
        assert_eq!(read.payments.iter().map(|made| made.state).collect::<Vec<_>>(), [PaymentState::Declined, PaymentState::Approved]);
        assert_eq!(house.bank.sum(AttemptKind::Purchase), 900);
    }

    async fn of_many_payers_at_once_one_pays(house) {
        let id = house.makes_link(link(700)).await;
        let all = (0..8).map(|number| {
            let payments = house.payments.clone();
            tokio::spawn(async move {
                let ask = for_order("link", purchase(700));
                let once = once(&format!("/v1/links/{id}"), &format!("t{number}"));
                payments.create_for(MadeFor::Link(id), &TERMS, ask, once).await
            })
        });
        let mut paid = 0;
        for one in all.collect::<Vec<_>>() {
            match one.await.expect("no panic") {
                Ok(_) => paid += 1,
                other => assert!(matches!(refusal(other), Refusal::LinkBusy | Refusal::LinkClosed)),
            }
        }
        assert_eq!((paid, house.stands(id).await), (1, (LinkState::Used, 1, false)));
    }

    async fn an_unknown_outcome_keeps_the_link_taken(house) {
        let id = house.makes_link(link(500)).await;
        house.bank.silent(true);
        house.bank.will(&[Does::LoseAnswer]);
        assert_eq!(refusal(house.pays_link(id, "t1", 500).await), Refusal::OutcomeUnknown);
        assert_eq!(house.stands(id).await, (LinkState::Created, 0, true));
        assert_eq!(refusal(house.pays_link(id, "t2", 500).await), Refusal::LinkBusy);
        let taken_back = house.payments.cancel_link(MERCHANT, Some(id), "".into(), None).await;
        assert_eq!(refusal(taken_back), Refusal::LinkBusy, "it may be charged already");
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.stands(id).await, (LinkState::Used, 1, false));
        let lost = house.makes_link(link(500)).await;
        house.bank.will(&[Does::LoseRequest]);
        assert_eq!(refusal(house.pays_link(lost, "t1", 500).await), Refusal::NotSent);
        assert_eq!(house.stands(lost).await, (LinkState::Created, 0, false));
        house.pays_link(lost, "t1", 500).await.expect("it may be paid now");
    }

    async fn links_open_close_and_are_taken_back(house) {
        let now = house.store.clock().now();
        let ask = CreateLink { one_time_use: false, start_at: Some(now.plus_seconds(60)), finish_at: Some(now.plus_seconds(120)), ..link(100) };
        let id = house.makes_link(ask.clone()).await;
        assert_eq!(refusal(house.pays_link(id, "early", 100).await), Refusal::LinkClosed);
        house.wait(61).await;
        for token in ["a", "b"] {
            house.pays_link(id, token, 100).await.expect("it may be paid often");
        }
        assert_eq!(house.stands(id).await, (LinkState::Created, 2, false));
        house.wait(60).await;
        assert_eq!(refusal(house.pays_link(id, "late", 100).await), Refusal::LinkClosed);
        assert_eq!(house.link(id).await.openness(house.store.clock().now()), Openness::Expired);
        let base: std::sync::Arc<str> = "".into();
        let cancel = |id| house.payments.cancel_link(MERCHANT, Some(id), base.clone(), None);
        assert_eq!(refusal(cancel(id).await), Refusal::InvalidStatus);
        assert_eq!(refusal(house.payments.create_link(MERCHANT, ask, None).await), Refusal::InvalidDate("availability.finish_at: must be in the future and after the start"));
        let taken_back = house.makes_link(link(100)).await;
        assert_eq!(text(&cancel(taken_back).await.expect("an answer")), "CANCELED");
        assert_eq!(refusal(cancel(taken_back).await), Refusal::InvalidStatus);
        assert_eq!(refusal(house.pays_link(taken_back, "t", 100).await), Refusal::LinkClosed);
        assert_eq!(refusal(cancel(PaymentLinkId::from_bytes([9; 16])).await), Refusal::LinkNotFound);
        let stranger = kernel::AccountId::from_bytes([2; 16]);
        let foreign = house.payments.cancel_link(stranger, Some(taken_back), base.clone(), None).await;
        assert_eq!(refusal(foreign), Refusal::LinkNotFound);
    }
}

#[test]
fn a_link_is_paid_once_across_a_crash_at_every_step() {
    for (does, paid) in [(Does::Hang, false), (Does::ActAndHang, true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bank = Bank::new();
        let process = Process::start(folder.path(), &bank);
        let id = process.runtime.block_on(process.house.makes_link(link(900)));
        let payments = process.house.payments.clone();
        process.asks(&bank, does, async move {
            let once = once(&format!("/v1/links/{id}"), "t");
            payments.create_for(MadeFor::Link(id), &TERMS, for_order("link", purchase(900)), once).await
        });
        process.kill();
        let process = Process::start(folder.path(), &bank);
        let house = &process.house;
        process.runtime.block_on(async {
            assert_eq!(house.stands(id).await, (LinkState::Created, 0, true), "{does:?}");
            house.payments.resolve_once().await;
            assert_eq!(house.stands(id).await.1, i64::from(paid), "{does:?}");
            assert_eq!(matches!(house.pays_link(id, "t", 900).await.expect("an answer"), Answer::Replay(_)), paid, "{does:?}");
            assert_eq!((house.stands(id).await, bank.sum(AttemptKind::Purchase)), ((LinkState::Used, 1, false), 900));
            house.is_sound(true).await;
        });
        process.kill();
    }
}

#[tokio::test]
async fn damaged_links_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let id = house.makes_link(link(900)).await;
    house.pays_link(id, "t", 900).await.expect("a payment");
    house.is_sound(true).await;
    let key = (MERCHANT, id);
    let damages: [fn(&mut LinkRow); 3] = [
        |link| link.payments_number = 2,
        |link| link.state = LinkState::Created,
        |link| {
            link.paying = Some(kernel::PaymentId::from_bytes([7; 16]));
        },
    ];
    for damage in damages {
        let sound = house.link(id).await;
        let Ok(()) =
            house.store.writer().run(Damage(move |rows: &mut db::Rows| damage(rows.must_mut(&key)))).await.expect("works");
        assert_eq!(house.rules_broken().await, ["I4.l"]);
        let repair = move |rows: &mut db::Rows| *rows.must_mut::<LinkRow>(&key) = sound.clone();
        let Ok(()) = house.store.writer().run(Damage(repair)).await.expect("works");
    }
    let stray = move |rows: &mut db::Rows| {
        let payment_id = kernel::PaymentId::from_bytes([7; 16]);
        rows.append(LinkPaymentRow { account_id: MERCHANT, payment_id, link_id: id });
    };
    let Ok(()) = house.store.writer().run(Damage(stray)).await.expect("works");
    assert_eq!(house.rules_broken().await, ["I3.d"]);
}
