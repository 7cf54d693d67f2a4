"""What scikit-learn makes of each modality of an experiment alone, and of all tables together: the baselines that a fusion of
everything has to beat. Which method, and how it is set, is chosen by cross-validation within the rows that it learns from.

Reads the request as JSON from standard input, answers as JSON on standard output; `cargo xtask baseline` makes and keeps both.
Without folds the methods learn from the rows of `train` and `validation` and are judged on those of `test`; with folds by repeated
stratified cross-validation, every row judged once per repeat. A row that lacks the modality is answered by the classes' shares in
training, except by trees, which take missing entries as they come.
"""

import csv
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def entries(rows, columns, missing):
    """Tables as numbers `[rows, columns]`: categories by their place, missing entries as NaN."""
    x = np.full((len(rows), len(columns)), np.nan)
    for j, column in enumerate(columns):
        places = {name: i for i, name in enumerate(column.get("categories", []))}
        for i, row in enumerate(rows):
            cell = row[column["name"]].strip()
            if cell not in missing:
                x[i, j] = places.get(cell, np.nan) if places else float(cell)
    return x


def picture(path, settings):
    from PIL import Image

    with Image.open(path) as file:
        file = file.convert("L" if settings["colour"] == "grey" else "RGB")
        if (file.width, file.height) != (settings["width"], settings["height"]):
            file = file.resize((settings["width"], settings["height"]), Image.Resampling.BILINEAR)
        return np.asarray(file, dtype=np.float32).ravel() / 255


def volume(path, settings):
    """The first frame on a coarse grid, its 1st percentile 0 and its 99th 1."""
    import nibabel
    from scipy.ndimage import zoom

    values = np.asanyarray(nibabel.load(path).dataobj, dtype=np.float32)
    values = values.reshape(values.shape[:3] + (-1,))[..., 0]
    grid = (min(24, settings["height"]), min(24, settings["width"]), settings["slices"])
    low, high = np.percentile(values, [1, 99])
    values = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return zoom(values, [g / s for g, s in zip(grid, values.shape)], order=1).ravel()


def read(request, rows, modality):
    """Values of one modality and which rows have it."""
    kind, missing = modality["kind"], {"", *request["missing"]}
    if kind == "table":
        x = entries(rows, modality["columns"], missing)
        return x, np.ones(len(rows), bool)
    cells = [row[modality.get("column") or modality["name"]].strip() for row in rows]
    present = np.array([cell not in missing for cell in cells])
    if kind == "text":
        return np.array(cells, dtype=object), present
    load = picture if kind == "image" else volume
    folder = Path(request["manifest"]).parent
    read = [load(folder / cell, modality) if there else None for cell, there in zip(cells, present)]
    width = next((len(values) for values in read if values is not None), 1)
    return np.array([np.zeros(width) if values is None else values for values in read]), present


def trees(columns, rows, seed):
    categorical = ["categories" in column for column in columns]
    boosted = [
        HistGradientBoostingClassifier(
            categorical_features=categorical, random_state=seed, learning_rate=rate, min_samples_leaf=min(leaf, max(2, rows // 10))
        )
        for rate, leaf in [(0.1, 20), (0.1, 3)]
    ]
    return boosted + forests(seed)


def forests(seed):
    return [kind(n_estimators=300, random_state=seed) for kind in (RandomForestClassifier, ExtraTreesClassifier)]


def words(_columns, _rows, _seed):
    readers = [("word", (1, 1)), ("word", (1, 2)), ("char_wb", (2, 5))]
    return [
        make_pipeline(
            TfidfVectorizer(analyzer=analyzer, ngram_range=n, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
            LogisticRegression(C=c, max_iter=2000),
        )
        for analyzer, n in readers
        for c in (1.0, 10.0)
    ]


def pixels(_columns, rows, seed):
    components = min(60, rows // 2)
    compact = lambda: PCA(components, whiten=False, random_state=seed)
    linear = [make_pipeline(compact(), StandardScaler(), LogisticRegression(C=c, max_iter=2000)) for c in (0.01, 0.1, 1.0)]
    kernel = CalibratedClassifierCV(make_pipeline(compact(), SVC(C=10.0, random_state=seed)), ensemble=False, cv=2)
    return linear + [kernel] + forests(seed)


METHODS = {"table": trees, "text": words, "image": pixels, "volume": pixels}


def fit(candidates, x, y, seed):
    """The best of the candidates by mean accuracy over three inner folds, on all of these rows."""
    counts = np.bincount(y)[np.unique(y)]
    inner = StratifiedKFold(3, shuffle=True, random_state=seed)
    folds = list(inner.split(x, y)) if counts.min() >= 2 and len(counts) > 1 else []

    def held_out(model):
        try:
            return np.mean([clone(model).fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]) if folds else 0.0
        except ValueError:
            # A fold too small for the method, or without a word that it could learn from.
            return -1.0

    return max(candidates, key=held_out).fit(x, y)


def answers(modality, x, present, y, train, test, classes, seed):
    """Class probabilities `[test rows, classes]`; a class that training lacks gets none."""
    learn = np.flatnonzero(train & present)
    out = np.tile(np.bincount(y[train], minlength=classes) / train.sum(), (test.sum(), 1))
    if len(learn) == 0:
        return out
    model = fit(METHODS[modality["kind"]](modality.get("columns"), len(learn), seed), x[learn], y[learn], seed)
    having = present[test]
    if having.any():
        out[having] = 0
        out[np.ix_(having, model.classes_)] = model.predict_proba(x[test & present])
    return out


def auc(y, p):
    """One class against the rest, each class that has samples on both sides counted once."""
    found = [roc_auc_score(y == c, p[:, c]) for c in range(p.shape[1]) if 0 < (y == c).sum() < len(y)]
    return float(np.mean(found)) if found else float("nan")


def interval(values):
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def judged(name, y, p, seed):
    draws = np.random.default_rng(seed).integers(0, len(y), (2000, len(y)))
    predicted = p.argmax(1)
    right = predicted == y
    return {
        "name": name,
        "n": len(y),
        "accuracy": float(right.mean()),
        "accuracy_interval": interval(right[draws].mean(1)),
        "balanced_accuracy": float(balanced_accuracy_score(y, predicted)),
        "auc": auc(y, p),
        "auc_interval": interval([auc(y[d], p[d]) for d in draws[:500]]),
    }


def divisions(request, y, parts):
    """For each repeat the pairs of training and test rows, as masks."""
    if not request["folds"]:
        train, test = parts != "test", parts == "test"
        if not test.any() or not train.any():
            sys.exit(f"{request['manifest']}: column {request['split']} has no test rows, or nothing else; give --folds")
        return [[(train, test)]]
    rows = np.arange(len(y))
    folds = [StratifiedKFold(request["folds"], shuffle=True, random_state=request["seed"] + r) for r in range(request["repeats"])]
    return [[(np.isin(rows, train), np.isin(rows, test)) for train, test in fold.split(rows, y)] for fold in folds]


def main():
    warnings.filterwarnings("ignore", category=UserWarning)
    request = json.load(sys.stdin)
    with open(request["manifest"], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    y = np.array([request["classes"].index(row[request["label"]]) for row in rows])
    parts = np.array([row.get(request["split"], "") for row in rows])
    classes, seed = len(request["classes"]), request["seed"]
    repeats = divisions(request, y, parts)
    seen = np.any([test for pairs in repeats for _, test in pairs], axis=0)
    modalities = list(request["modalities"])
    tables = [modality for modality in modalities if modality["kind"] == "table"]
    if len(tables) > 1:
        every = [column for table in tables for column in table["columns"]]
        modalities.append({"name": "all tables", "kind": "table", "columns": every})
    baselines = []
    for modality in modalities:
        print(f"   {modality['name']} ({modality['kind']})", file=sys.stderr, flush=True)
        x, present = read(request, rows, modality)
        total = np.zeros((len(y), classes))
        for pairs in repeats:
            for train, test in pairs:
                total[test] += answers(modality, x, present, y, train, test, classes, seed)
        baselines.append(judged(modality["name"], y[seen], (total / len(repeats))[seen], seed))
        baselines[-1]["kind"] = modality["kind"]
    majority = np.bincount(y[seen]).max() / seen.sum()
    json.dump({"baselines": baselines, "majority_class": float(majority)}, sys.stdout)


if __name__ == "__main__":
    main()
