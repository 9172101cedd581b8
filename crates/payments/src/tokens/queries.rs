//! Reads of tokens that are not part of a decision.

use db::{Fault, Reader, Sql, args, sql};
use kernel::{AccountId, Timestamp, TokenId};

use super::rows::TokenRow;

static TOKEN: Sql = sql!("SELECT {} FROM token WHERE account_id = $1 AND id = $2", TokenRow);

static TO_ERASE: Sql =
    sql!("SELECT {} FROM token WHERE expires_at <= $1 AND erased_at IS NULL ORDER BY expires_at LIMIT $2", TokenRow);

static TO_FORGET: Sql = sql!("SELECT {} FROM token WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2", TokenRow);

/// One token.
pub(super) async fn token(reader: &Reader, account: AccountId, id: TokenId) -> Result<Option<TokenRow>, Fault> {
    reader.row(&TOKEN, args![account, id]).await
}

/// Tokens whose time is over at `now` and whose cards are still there.
pub(super) async fn to_erase(reader: &Reader, now: Timestamp, limit: u32) -> Result<Vec<TokenRow>, Fault> {
    reader.rows(&TO_ERASE, args![now, limit]).await
}

/// Tokens whose time was over at `before`.
pub(super) async fn to_forget(reader: &Reader, before: Timestamp, limit: u32) -> Result<Vec<TokenRow>, Fault> {
    reader.rows(&TO_FORGET, args![before, limit]).await
}
