"""nibabel's answers for `cargo xtask nifti`: a JSON line for each file, its values beside it as doubles in Fortran order.

    python nifti.py FOLDER      reads nibabel's own test volumes, writes some of every number type, and leaves the values in FOLDER
"""

import json
import pathlib
import sys

import nibabel
import numpy

ENDS = (".nii", ".nii.gz", ".hdr")


def own(folder):
    """nibabel's own test volumes."""
    root = pathlib.Path(nibabel.__file__).parent
    return [(str(path.relative_to(root)), path) for path in sorted(root.rglob("*")) if path.name.endswith(ENDS)]


def written(folder):
    """Volumes that nibabel writes: number types, byte orders, both versions, pairs, scaling, dimensions, forms."""
    rng = numpy.random.default_rng(7)
    turn = numpy.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    cases = []
    for code in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]:
        for order in "<>":
            cases.append((f"{code}{'le' if order == '<' else 'be'}.nii", nibabel.Nifti1Image, code, order, (5, 4, 3), None))
    cases += [
        ("two.nii.gz", nibabel.Nifti2Image, "i2", "<", (5, 4, 3), None),
        ("two-be.nii", nibabel.Nifti2Image, "f8", ">", (5, 4, 3, 2), None),
        ("pair.hdr", nibabel.Nifti1Pair, "i2", "<", (5, 4, 3), None),
        ("frames.nii.gz", nibabel.Nifti1Image, "i2", ">", (4, 3, 2, 6), None),
        ("five.nii", nibabel.Nifti1Image, "u1", "<", (4, 3, 2, 2, 3), None),
        ("flat.nii", nibabel.Nifti1Image, "u1", "<", (4, 3), None),
        ("scaled.nii.gz", nibabel.Nifti1Image, "i2", "<", (5, 4, 3), (0.37, -12.5)),
        ("scaled-be.nii", nibabel.Nifti1Image, "u1", ">", (5, 4, 3), (-2.0, 300.0)),
    ]
    for name, image, code, order, shape, scaling in cases:
        if code[0] == "f":
            values = rng.normal(size=shape) * 100
        else:
            # Not beyond what a double holds exactly.
            info = numpy.iinfo(code)
            values = rng.integers(max(info.min, -(2**53)), min(info.max, 2**53), size=shape, endpoint=True)
        header = image.header_class(endianness=order)
        header.set_data_dtype(numpy.dtype(code))
        made = image(values.astype(code), turn, header)
        made.set_qform(turn, code=1)
        if scaling:
            made.header.set_slope_inter(*scaling)
        path = pathlib.Path(folder) / name
        made.to_filename(str(path))
        yield name, path


def answer(name, path, values):
    image = nibabel.load(path)
    if not isinstance(image, (nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Cifti2Image)):
        return {"refused": f"nibabel reads it as {type(image).__name__}"}
    nifti = image.nifti_header if isinstance(image, nibabel.Cifti2Image) else image.header
    data = image.get_fdata(dtype=numpy.float64)
    data.astype("<f8").ravel(order="F").tofile(values)
    affine = nifti.get_best_affine()
    return {
        "shape": list(data.shape),
        "stored": nifti.get_data_dtype().newbyteorder("=").name,
        "order": "big" if nifti.endianness == ">" else "little",
        "affine": affine.tolist(),
        "orientation": "".join(code or "?" for code in nibabel.aff2axcodes(affine)),
        "values": str(values),
    }


def main(folder):
    print(json.dumps({"nibabel": nibabel.__version__, "numpy": numpy.__version__}))
    sources = [("nibabel's own", list(own(folder))), ("written by nibabel", list(written(folder)))]
    number = 0
    for source, files in sources:
        for name, path in files:
            number += 1
            try:
                found = answer(name, path, pathlib.Path(folder) / f"{number}.values")
            except Exception as error:  # whatever a reader says of a file
                found = {"refused": f"{type(error).__name__}: {error}"}
            print(json.dumps({"source": source, "name": name, "path": str(path), **found}), flush=True)


main(sys.argv[1])
