//! Released names and ours, both ways. `*` stands for one number, or for `weight` or `bias`.

/// Theirs, ours.
pub(super) type Table = [(&'static str, &'static str)];

/// Of the fusion network, with the encoders of each modality already under its number.
pub(super) const FUSION: &Table = &[
    ("m_encoders.*.network.0.*", "encoders.*.Convolutional.stack.layers.0.*"),
    ("m_encoders.*.network.2.*", "encoders.*.Convolutional.stack.layers.1.*"),
    ("m_encoders.*.network.4.*", "encoders.*.Convolutional.stack.layers.2.*"),
    ("m_encoders.*.proj_conv.0.*", "encoders.*.Convolutional.projection.*"),
    ("m_norms.*.weight", "norms.*.gamma"),
    ("m_norms.*.bias", "norms.*.beta"),
    ("modality_embeddings.weight", "modality_embedding.weight"),
    ("classifier.*", "classifier.*"),
    ("projection.*", "projection.*"),
    ("cls_token", "class_token"),
    ("pos_embeddings", "positions"),
    ("transformer.*.attn.qkv.weight", "blocks.*.qkv.weight"),
    ("transformer.*.attn.proj.*", "blocks.*.proj.*"),
    ("transformer.*.norm1.weight", "blocks.*.norm1.gamma"),
    ("transformer.*.norm1.bias", "blocks.*.norm1.beta"),
    ("transformer.*.norm2.weight", "blocks.*.norm2.gamma"),
    ("transformer.*.norm2.bias", "blocks.*.norm2.beta"),
    ("transformer.*.mlp.fc1.*", "blocks.*.fc1.*"),
    ("transformer.*.mlp.fc2.*", "blocks.*.fc2.*"),
    ("m_encoders.*.enc.0.0.*", "encoders.*.Perceptron.hidden.*"),
    // `proj` ends three encoders: which one is settled by `proj_of`.
    ("m_encoders.*.perceptron-proj.*", "encoders.*.Perceptron.output.*"),
    ("m_encoders.*.picture-proj.*", "encoders.*.PictureToken.output.*"),
    ("m_encoders.*.sequence-proj.*", "encoders.*.SequenceToken.output.*"),
    ("m_encoders.*.conv1.*", "encoders.*.PictureToken.layers.0.*"),
    ("m_encoders.*.conv2.*", "encoders.*.PictureToken.layers.1.*"),
    ("m_encoders.*.conv3.*", "encoders.*.PictureToken.layers.2.*"),
    ("m_encoders.*.conv4.*", "encoders.*.PictureToken.layers.3.*"),
    ("m_encoders.*.text_feature_enc.conv1.*", "encoders.*.SequenceToken.layers.0.*"),
    ("m_encoders.*.text_feature_enc.conv2.*", "encoders.*.SequenceToken.layers.1.*"),
    ("m_encoders.*.text_feature_enc.conv5.*", "encoders.*.SequenceToken.layers.2.*"),
];

/// Of MoPoE with pictures.
pub(super) const MOPOE: &Table = &[
    ("encoders.m*.shared_encoder.0.*", "encoders.*.Picture.stack.layers.0.*"),
    ("encoders.m*.shared_encoder.2.*", "encoders.*.Picture.stack.layers.1.*"),
    ("encoders.m*.shared_encoder.4.*", "encoders.*.Picture.stack.layers.2.*"),
    ("encoders.m*.shared_encoder.7.*", "encoders.*.Picture.hidden.*"),
    ("encoders.m*.class_mu.*", "encoders.*.Picture.mean.*"),
    ("encoders.m*.class_logvar.*", "encoders.*.Picture.log_variance.*"),
    ("decoders.m*.decoder.0.*", "decoders.*.Picture.hidden.*"),
    ("decoders.m*.decoder.3.*", "decoders.*.Picture.stack.layers.0.*"),
    ("decoders.m*.decoder.5.*", "decoders.*.Picture.stack.layers.1.*"),
    ("decoders.m*.decoder.7.*", "decoders.*.Picture.stack.layers.2.*"),
];

/// A released name as ours; `None` if it is in no row.
pub(super) fn ours(table: &Table, name: &str) -> Option<String> {
    table.iter().find_map(|(theirs, ours)| Some(fill(ours, &matched(name, theirs)?)))
}

/// Our name as a released one; `None` if it is in no row.
pub(super) fn theirs(table: &Table, name: &str) -> Option<String> {
    table.iter().find_map(|(theirs, ours)| Some(fill(theirs, &matched(name, ours)?)))
}

/// The parts of `name` that stand where `pattern` has `*`, if it fits; pieces are separated by dots.
pub(super) fn matched(name: &str, pattern: &str) -> Option<Vec<String>> {
    let (names, patterns): (Vec<&str>, Vec<&str>) = (name.split('.').collect(), pattern.split('.').collect());
    if names.len() != patterns.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (n, p) in names.iter().zip(&patterns) {
        match p.split_once('*') {
            Some((before, _)) => parts.push(n.strip_prefix(before)?.to_string()),
            None if n == p => {}
            None => return None,
        }
    }
    Some(parts)
}

fn fill(pattern: &str, parts: &[String]) -> String {
    parts.iter().fold(pattern.to_string(), |name, part| name.replacen('*', part, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_translated_both_ways() {
        for (table, released, own) in [
            (FUSION, "m_encoders.3.network.2.bias", "encoders.3.Convolutional.stack.layers.1.bias"),
            (FUSION, "transformer.1.norm2.weight", "blocks.1.norm2.gamma"),
            (FUSION, "m_encoders.2.text_feature_enc.conv5.weight", "encoders.2.SequenceToken.layers.2.weight"),
            (MOPOE, "decoders.m4.decoder.7.weight", "decoders.4.Picture.stack.layers.2.weight"),
        ] {
            assert_eq!(ours(table, released).as_deref(), Some(own));
            assert_eq!(theirs(table, own).as_deref(), Some(released));
        }
        assert_eq!(ours(FUSION, "something.else"), None);
    }
}
