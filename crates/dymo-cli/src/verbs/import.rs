//! `dymo import FILE… --out MODEL`: released PyTorch files into a model folder.

use std::io::Write;
use std::path::PathBuf;

use dymo_models::fusion::FeatureScale;
use dymo_models::published::FusionHints;
use dymo_reward::Metric;
use dymo_train::import::{Hints, Imported, WithoutSpread, Written};

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::MetricArg;

/// Arguments of `dymo import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo import downstream/checkpoint_best_acc.ckpt gaussian/subset_gaussian.pt mm_vae.pth --out model
      the fusion network, its class statistics and the MoPoE of a release, as PyTorch saved them
  dymo import weights.safetensors --out model --metric cosine --heads 4
      weights alone: what the file does not say is asked for
  dymo import gaussian/subset_gaussian_EU.pt --out model --metric euclid
      statistics for a network that was imported before

Of the authors' release can be taken over: the fusion networks of PolyMNIST and of MNIST-SVHN-Text, their class statistics, and
PolyMNIST's MoPoE. Those of CelebA, DVM, CAD and Infarction, and other recovery models, are refused: train these here.

Files may come in any order, as torch.save wrote them (old and new) or as SafeTensors; nothing in them is executed. Read from them:
modalities, widths, tokens, blocks, classes, the width of features and latents; heads and metric where the hyper-parameters stand
beside the weights (`transformer_heads`, `distance_metric` and `modality_names`, also as metadata of SafeTensors). The metric of
statistics is that of their name, with _EU for Euclid. Names and shapes that do not fit are listed, and nothing is written. `dymo predict` and `dymo evaluate` decide with an imported network
as the published code does, where numbers run out too; `--edges defined`, or `edges = \"defined\"` under [selection] in an
experiment, takes ours.")]
pub struct ImportArgs {
    /// Checkpoints, statistics and MoPoE weights
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The model folder; made if it is not there, added to if it is
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The metric, where the files do not say
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// Attention heads, where the files do not say
    #[arg(long, value_name = "N")]
    pub heads: Option<usize>,
    /// Names of the modalities, in order
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub modalities: Vec<String>,
    /// Names of the classes, in order; 0, 1, … if nothing is said
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Height and width of pictures, where the weights do not settle them
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = extents)]
    pub picture: Option<[usize; 2]>,
    /// Name of the model; the folder's if nothing is said
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// `28x28`.
fn extents(text: &str) -> Result<[usize; 2], String> {
    let parsed = text.split_once('x').and_then(|(h, w)| Some([h.parse().ok()?, w.parse().ok()?]));
    parsed.filter(|[h, w]| *h > 0 && *w > 0).ok_or_else(|| format!("{text:?} is no size; write it as 28x28"))
}

pub(crate) fn run(context: &Context, args: ImportArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let given = |names: Vec<String>| (!names.is_empty()).then_some(names);
    let hints = Hints {
        fusion: FusionHints {
            heads: args.heads,
            scale: args.metric.map(|metric| match metric {
                MetricArg::Cosine => FeatureScale::Unit,
                MetricArg::Euclid => FeatureScale::Free,
            }),
            modalities: given(args.modalities),
            picture: args.picture,
        },
        classes: given(args.classes),
        name: args.name,
    };
    let imported = Imported::read(&args.files, &hints)?;
    let Written { folder, parts, left_out, without_spread } = imported.write(&args.out, &hints, &context.device)?;
    let lines = parts.iter().map(|(what, path)| format!("{what}: {}", path.display()));
    let others = left_out.iter().map(|(metric, path)| {
        let (named, imported) = match metric {
            Metric::Cosine => ("cosine", "euclid"),
            Metric::Euclid => ("euclid", "cosine"),
        };
        format!("left out, as statistics of the {named} metric for a network of the {imported} one: {}", path.display())
    });
    let all = lines
        .chain(others)
        .chain(without_spread.iter().map(spread_in_words))
        .chain([format!("The model: {}", folder.path().display())]);
    let text = all.collect::<Vec<_>>().join("\n");
    let rows: Vec<_> = parts.iter().map(|(what, path)| serde_json::json!({ "part": what, "file": path })).collect();
    let left_out: Vec<_> = left_out.iter().map(|(_, path)| path).collect();
    let without_spread: Vec<_> = without_spread.iter().map(|found| &found.path).collect();
    let json = serde_json::json!({
        "model": folder.path(), "imported": rows, "left_out": left_out, "without_spread": without_spread
    });
    context.result(out, &text, &json)
}

/// What has no spread, and what to do about it.
fn spread_in_words(found: &WithoutSpread) -> String {
    let WithoutSpread { path, first: (class, subset), count } = found;
    let more = if *count > 1 { format!(" (and {} more are)", count - 1) } else { String::new() };
    format!(
        "{}: the spread of class {class} for subset {subset} is 0{more}, where the published code cannot decide: predict with `--edges \
         defined`, and write `edges = \"defined\"` under [selection] in an experiment",
        path.display()
    )
}
