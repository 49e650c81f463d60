//! The command line.

use crate::log::Log;
use crate::step::{self, Step, number};

pub const USAGE: &str = "\
usage: rust-shmem-backend --socket PATH [--region SHMID=SIZE]... [--steps STEPS] [--eager | --started]
                          [--mem-slots] [--log FILE] [--hold]
  --region SHMID=SIZE  report a region; SIZE in bytes, 0x..., or with K, M, G; repeatable
  --steps STEPS        run for every front-end once it has asked for the regions, separated by ';':
                         map SHMID SHM_OFFSET LEN rw|ro [FD_OFFSET]
                         unmap SHMID SHM_OFFSET LEN
                         wait MILLISECONDSms
  --eager              run them as soon as there is a back-end channel, before the regions are asked for
  --started            run them once the front-end has started the device
  --mem-slots          take the memory table region by region (CONFIGURE_MEM_SLOTS)
  --log FILE           append each request and how it was answered, as one JSON object a line
  --hold               go on serving when stdin ends; without it that ends the program
Further steps are read from stdin, a line at a time. One line of output answers each map and unmap.";

/// When the steps run, once for every front-end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    HasChannel,
    ConfigAsked,
    Started,
}

const MAX_REGIONS: usize = 256;

pub struct Options {
    pub socket: String,
    /// The index is the shmid, 0 an unused one.
    pub sizes: [u64; MAX_REGIONS],
    pub steps: Vec<Step>,
    pub when: When,
    pub mem_slots: bool,
    pub log: Log,
    pub hold: bool,
}

impl Options {
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Options {
            socket: String::new(),
            sizes: [0; MAX_REGIONS],
            steps: vec![],
            when: When::ConfigAsked,
            mem_slots: false,
            log: Log::default(),
            hold: false,
        };
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--socket" => options.socket = value()?,
                "--region" => options.add_region(&value()?)?,
                "--steps" => options.steps = step::parse_all(&value()?)?,
                "--eager" => options.when = When::HasChannel,
                "--started" => options.when = When::Started,
                "--mem-slots" => options.mem_slots = true,
                "--log" => options.log = Log::open(&value()?)?,
                "--hold" => options.hold = true,
                _ => return Err(format!("unknown argument '{flag}'")),
            }
        }
        if options.socket.is_empty() {
            return Err("--socket is missing".to_owned());
        }
        Ok(options)
    }

    fn add_region(&mut self, text: &str) -> Result<(), String> {
        let (shmid, size) = text.split_once('=').ok_or_else(|| format!("'{text}' is not SHMID=SIZE"))?;
        let shmid: u8 = shmid.parse().map_err(|_| format!("'{shmid}' is not a shmid, 0 to 255"))?;
        self.sizes[usize::from(shmid)] = number(size)?;
        Ok(())
    }
}
