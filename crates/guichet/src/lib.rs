//! The binary: configuration, wiring, commands. It knows every crate and holds no rule of its own.
//!
//! [`settings`] gathers what flags, environment and file say, [`config`] reads and checks it, [`wiring`] opens the stores
//! and services and starts the background workers, and [`commands`] are what a person can ask for. Everything a person
//! has to put right is a [`trouble::Trouble`]: what, why, what to do.

pub mod banner;
pub mod billing;
pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod files;
pub mod logging;
pub mod master_key;
pub mod master_key_change;
pub mod no_acquirer;
pub mod queries;
pub mod schema;
pub mod settings;
pub mod showroom;
pub mod signals;
pub mod stripe;
pub mod telemetry;
pub mod terminal;
pub mod trouble;
pub mod wiring;
pub mod workers;

use std::pin::Pin;
use std::process::ExitCode;

use crate::cli::{AccountCommand, Cli, Command, KeyCommand, SettlementCommand, VaultCommand};
use crate::commands::{
    account, backup, configure, demo, doctor, key, migrate, openapi, serve, settlement, unknown, vault, verify,
};
use crate::config::Purpose;
use crate::trouble::{EXIT_NO, Trouble};

/// Makes the one provider of cryptography that everything uses for TLS known to rustls. Comes before anything else.
pub fn install_cryptography() {
    // Err means that it is there already: tests start several servers in one process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Threads of the web edge: half of the cores. The other half is for the writers and, on one machine, the database; an edge thread for
/// each core spent a tenth of a payment's time on waking and parking.
fn edge_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).max(1)
}

/// Runs one command to its end: 0 done, 1 the answer is no, 2 it could not run.
pub fn run(cli: Cli) -> ExitCode {
    install_cryptography();
    let mut runtime = match cli.command {
        Command::Demo(_) | Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let ended = match runtime.worker_threads(edge_threads()).enable_all().build() {
        Ok(runtime) => {
            // Behind a pointer, or every way in which a runtime can wait for it holds a compiled copy of all commands.
            let executed: Pin<Box<dyn Future<Output = Result<ExitCode, Trouble>>>> = Box::pin(execute(cli.command));
            runtime.block_on(executed)
        }
        Err(error) => Err(Trouble::new("cannot start").because(error)),
    };
    match ended {
        Ok(code) => code,
        Err(trouble) => {
            terminal::complain(&trouble);
            ExitCode::from(trouble.code())
        }
    }
}

async fn execute(command: Command) -> Result<ExitCode, Trouble> {
    let answer = match command {
        Command::Demo(flags) => return demo::run(&configure(Purpose::Demo, flags)?).await.map(|()| ExitCode::SUCCESS),
        Command::Serve(flags) => return serve::run(&configure(Purpose::Serve, flags)?).await.map(|()| ExitCode::SUCCESS),
        Command::Verify(command) => return verify::run(command).await,
        Command::Doctor(command) => {
            let well = doctor::run(&configure(Purpose::Serve, command.flags)?, command.json).await;
            return Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NO) });
        }
        Command::Migrate(flags) => migrate::run(&tool(flags)?).await?,
        Command::Account(AccountCommand::Create(command)) => {
            let config = tool(command.flags.clone())?;
            account::create(&command, &config).await?
        }
        Command::Account(AccountCommand::Change(command)) => {
            let config = tool(command.flags.clone())?;
            account::change(&command, &config).await?
        }
        Command::Key(command) => {
            let config = tool(command.flags().clone())?;
            key::answer(&command, &config).await?
        }
        Command::Vault(VaultCommand::Rotate(command)) => {
            vault::rotate(&tool(command.flags)?, command.new_master_key_file.as_deref(), command.json).await?
        }
        Command::Unknown(command) => unknown::list(&tool(command.flags)?, command.json).await?,
        Command::Settlement(SettlementCommand::Import(command)) => {
            settlement::import(&tool(command.flags)?, &command.acquirer, &command.file, command.json).await?
        }
        Command::Settlement(SettlementCommand::List(command)) => settlement::list(&tool(command.flags)?, command.json).await?,
        Command::Settlement(SettlementCommand::Show(command)) => {
            settlement::show(&tool(command.flags)?, &command.id, command.after, command.json).await?
        }
        Command::Openapi => openapi::document(),
        Command::Backup(command) => backup::run(&tool(command.flags)?, &command.file).await?,
    };
    terminal::say(&answer);
    Ok(ExitCode::SUCCESS)
}

/// The configuration of a command that works beside a server; its log lines go where a server's would.
fn tool(flags: settings::ToolFlags) -> Result<config::Config, Trouble> {
    let config = configure(Purpose::Tool, flags)?;
    logging::start(&config)?;
    Ok(config)
}

impl KeyCommand {
    fn flags(&self) -> &settings::ToolFlags {
        match self {
            KeyCommand::Create(command) => &command.flags,
            KeyCommand::Enable(command) | KeyCommand::Disable(command) => &command.flags,
            KeyCommand::Rotate(command) => &command.flags,
        }
    }
}
