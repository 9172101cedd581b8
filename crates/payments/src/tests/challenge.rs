//! Payers who must prove that the card is theirs: the right way, the wrong ways, and what happens when something dies in between.

use db::DatabaseUrl;

use super::bank::{Bank, Does};
use super::house::*;
use crate::*;

impl House {
    /// A purchase that waits for its payer, and the token of his page.
    async fn challenged(&self, key: &str, minor: i64) -> (PaymentRow, String) {
        self.bank.will(&[Does::Challenge]);
        let answer = self.create(key, for_order(key, purchase(minor))).await.expect("a payment");
        assert_eq!(bytes(&answer).0, 201);
        assert!(text(&answer).contains("PENDING"), "{}", text(&answer));
        let payment = self.payment(key).await.expect("it is there").payment;
        assert_eq!((payment.state, payment.attempt), (PaymentState::AwaitingPayer, AttemptState::AwaitingPayer));
        let token = self.payments.challenges().token(payment.attempt_id);
        (payment, token)
    }

    async fn types(&self, token: &str, code: &str) {
        let challenge = self.payments.challenge(token).await.expect("the store works").expect("there is a challenge");
        self.payments.answer_challenge(&challenge, ChallengeAnswer::Code(code.into())).await.expect("it is taken");
    }
}

on_both_engines! {
    async fn the_right_code_goes_on_with_the_charge_once(house) {
        let (payment, token) = house.challenged("k", 1_999).await;
        house.is_sound(true).await;
        assert!(house.bank.approved().is_empty(), "nothing is charged before the payer has confirmed");
        house.types(&token, "1234").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Approved);
        house.types(&token, "1234").await;
        assert_eq!((house.bank.approved().len(), house.available().await), (1, 1_999 - 53));
        let again = house.create("k", for_order("k", purchase(1_999))).await.expect("a replay");
        assert!(text(&again).contains("PENDING"), "a replay is what was answered then");
    }

    async fn three_wrong_codes_or_one_refused_end_it(house) {
        let (payment, token) = house.challenged("w", 500).await;
        for tries in 1..3 {
            house.types(&token, "0000").await;
            let challenge = house.payments.challenge(&token).await.expect("the store works").expect("it is there");
            assert_eq!((challenge.tries, challenge.shown()), (tries, ChallengeShown::Asked));
        }
        house.types(&token, "0000").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Declined);
        house.types(&token, "1234").await;
        let (refused, its_token) = house.challenged("r", 500).await;
        house.types(&its_token, "1111").await;
        for payment in [payment.id, refused.id] {
            assert_eq!(house.state(payment).await, PaymentState::Declined);
        }
        assert!(house.bank.approved().is_empty());
    }

    async fn who_does_not_come_in_time_or_cancels_is_not_charged(house) {
        let (late, token) = house.challenged("l", 500).await;
        let (cancelled, its_token) = house.challenged("c", 500).await;
        let challenge = house.payments.challenge(&its_token).await.expect("the store works").expect("it is there");
        house.payments.answer_challenge(&challenge, ChallengeAnswer::Cancel).await.expect("it is taken");
        assert_eq!(house.state(cancelled.id).await, PaymentState::Declined);
        house.wait(15 * 60 - 1).await;
        house.payments.resolve_once().await;
        assert_eq!(house.state(late.id).await, PaymentState::AwaitingPayer);
        house.wait(1).await;
        house.types(&token, "1234").await;
        assert_eq!(house.state(late.id).await, PaymentState::Expired, "too late, even before anybody swept it");
        let (swept, _) = house.challenged("s", 500).await;
        house.wait(15 * 60).await;
        house.payments.resolve_once().await;
        assert_eq!(house.state(swept.id).await, PaymentState::Expired);
        assert!(house.bank.approved().is_empty());
    }

    async fn a_lost_answer_after_the_code_is_asked_for(house) {
        let (payment, token) = house.challenged("k", 500).await;
        house.bank.will(&[Does::LoseAnswer]);
        house.bank.silent(true);
        house.types(&token, "1234").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        house.is_sound(false).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!((house.state(payment.id).await, house.bank.approved().len()), (PaymentState::Approved, 1));
    }

    async fn a_proof_that_was_lost_gives_no_more_time(house) {
        let (payment, token) = house.challenged("k", 500).await;
        house.bank.will(&[Does::LoseRequest]);
        house.bank.silent(true);
        house.wait(60).await;
        house.types(&token, "1234").await;
        assert_eq!(house.state(payment.id).await, PaymentState::Unconfirmed);
        house.wait(14 * 60 - 1).await;
        house.bank.silent(false);
        house.payments.resolve_once().await;
        assert_eq!(house.state(payment.id).await, PaymentState::AwaitingPayer);
        house.wait(1).await;
        house.types(&token, "1234").await;
        assert_eq!((house.state(payment.id).await, house.bank.approved().len()), (PaymentState::Expired, 0));
    }

    async fn a_process_that_dies_after_the_code_leaves_a_question(house) {
        let (payment, token) = house.challenged("k", 500).await;
        house.bank.will(&[Does::ActAndHang]);
        let challenge = house.payments.challenge(&token).await.expect("the store works").expect("it is there");
        let payments = house.payments.clone();
        let typing =
            tokio::spawn(async move { payments.answer_challenge(&challenge, ChallengeAnswer::Code("1234".into())).await });
        while house.state(payment.id).await == PaymentState::AwaitingPayer {
            tokio::task::yield_now().await;
        }
        typing.abort();
        house.is_sound(false).await;
        house.payments.resolve_once().await;
        assert_eq!((house.state(payment.id).await, house.bank.approved().len()), (PaymentState::Approved, 1));
        assert_eq!(house.available().await, 500 - 32);
    }

    async fn an_acquirer_out_of_reach_lets_the_payer_try_again(house) {
        let (payment, token) = house.challenged("k", 500).await;
        house.bank.will(&[Does::NotSent]);
        house.types(&token, "1234").await;
        assert_eq!(house.state(payment.id).await, PaymentState::AwaitingPayer);
        house.types(&token, "1234").await;
        assert_eq!((house.state(payment.id).await, house.bank.approved().len()), (PaymentState::Approved, 1));
    }
}

#[tokio::test]
async fn a_token_of_another_installation_finds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::open(DatabaseUrl::sqlite(folder.path().join("test.db")), Bank::new()).await;
    let (payment, token) = house.challenged("k", 500).await;
    let other = Challenges::new(&kernel::PlatformKey::from_bytes([8; 32]));
    for wrong in [other.token(payment.attempt_id), token.to_ascii_uppercase() + "x", String::new(), "é".repeat(16)] {
        assert!(house.payments.challenge(&wrong).await.expect("the store works").is_none(), "{wrong}");
    }
}
