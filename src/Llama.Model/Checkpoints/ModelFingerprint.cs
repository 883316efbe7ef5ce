using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Llama.Model.Checkpoints;

/// <summary>A short name for everything in a configuration that the logits depend on: processes of one pipeline must agree on it.</summary>
public static class ModelFingerprint
{
    /// <summary>
    /// SHA-256, 64 lower-case hexadecimal digits, over a text that is the same on every machine. The context length and the special
    /// tokens are left out, since no logit depends on them (a handshake compares the former by itself), and so are biases, which the layers' digests compare, and whether the embeddings are tied: a process without the weights
    /// cannot tell, and with them it only says where the output head lies.
    /// </summary>
    public static string Of(ModelConfig config)
    {
        RopeScaling? scaling = config.RopeScaling;
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"""
            llama 1
            dim {config.Dim}
            layers {config.Layers}
            heads {config.Heads}
            kvHeads {config.KvHeads}
            headDim {config.HeadDim}
            hiddenDim {config.HiddenDim}
            vocabSize {config.VocabSize}
            normEps {config.NormEps:R}
            ropeTheta {config.RopeTheta:R}
            ropeScaling {scaling?.Factor:R} {scaling?.LowFrequencyFactor:R} {scaling?.HighFrequencyFactor:R} {scaling?.OriginalContext}
            rotaryLayout {(int)config.RotaryLayout}

            """);
        if (config.RopeFactors is { } factors) text += $"ropeFactors {Convert.ToHexStringLower(MemoryMarshal.AsBytes(factors.Values))}\n";
        if (config.RopeMagnitude != 1) text += string.Create(CultureInfo.InvariantCulture, $"ropeMagnitude {config.RopeMagnitude:R}\n");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n"))));
    }
}
