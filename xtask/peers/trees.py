"""Trees on the tables of an experiment alone, boosted or as a forest: the baseline that a fusion of everything has to beat. Which
trees, and how fine they are, is chosen by cross-validation within the rows that they learn from.

Reads the request as JSON from standard input, answers as JSON on standard output; `cargo xtask baseline` makes and keeps both.
Without folds the trees learn from the rows of `train` and `validation` and are judged on those of `test`; with folds by repeated
stratified cross-validation, every row judged once per repeat.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold


def table(request):
    """Rows, classes and parts; categories as numbers, missing entries as NaN."""
    with open(request["manifest"], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = {"", *request["missing"]}
    x = np.full((len(rows), len(request["columns"])), np.nan)
    for j, column in enumerate(request["columns"]):
        places = {name: i for i, name in enumerate(column.get("categories", []))}
        for i, row in enumerate(rows):
            cell = row[column["name"]].strip()
            if cell not in missing:
                x[i, j] = places.get(cell, np.nan) if places else float(cell)
    y = np.array([request["classes"].index(row[request["label"]]) for row in rows])
    parts = np.array([row.get(request["split"], "") for row in rows])
    return x, y, parts


def candidates(request, rows, seed):
    categorical = ["categories" in column for column in request["columns"]]
    boosted = [
        HistGradientBoostingClassifier(
            categorical_features=categorical, random_state=seed, learning_rate=rate, min_samples_leaf=min(leaf, max(2, rows // 10))
        )
        for rate, leaf in [(0.1, 20), (0.1, 3)]
    ]
    forests = [kind(n_estimators=300, random_state=seed) for kind in (RandomForestClassifier, ExtraTreesClassifier)]
    return boosted + forests


def fit(request, x, y, seed):
    """The best of the candidates by mean accuracy over three inner folds, on all of these rows."""
    inner = StratifiedKFold(3, shuffle=True, random_state=seed)
    folds = list(inner.split(x, y)) if np.bincount(y)[np.unique(y)].min() >= 2 else []

    def held_out(model):
        return np.mean([clone(model).fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]) if folds else 0.0

    return max(candidates(request, len(y), seed), key=held_out).fit(x, y)


def scores(model, x, classes):
    """Class probabilities `[n, classes]`; a class that training lacks gets none."""
    out = np.zeros((len(x), classes))
    out[:, model.classes_] = model.predict_proba(x)
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


def main():
    request = json.load(sys.stdin)
    x, y, parts = table(request)
    classes, seed = len(request["classes"]), request["seed"]
    name = "trees on the tables alone"
    if request["folds"]:
        total = np.zeros((len(y), classes))
        for repeat in range(request["repeats"]):
            folds = StratifiedKFold(request["folds"], shuffle=True, random_state=seed + repeat)
            for train, test in folds.split(x, y):
                total[test] += scores(fit(request, x[train], y[train], seed), x[test], classes)
        answer = judged(name, y, total / request["repeats"], seed)
    else:
        train, test = parts != "test", parts == "test"
        if not test.any() or not train.any():
            sys.exit(f"{request['manifest']}: column {request['split']} has no test rows, or nothing else; give --folds")
        model = fit(request, x[train], y[train], seed)
        answer = judged(name, y[test], scores(model, x[test], classes), seed)
    majority = np.bincount(y).max() / len(y)
    json.dump({"baselines": [answer], "majority_class": float(majority)}, sys.stdout)


if __name__ == "__main__":
    main()
