using Llama.Model.Checkpoints.Files;
using Llama.Model.Sampling;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>Reads <c>generation_config.json</c>, which says how a model's authors generate with it.</summary>
internal static class GenerationConfig
{
    /// <summary>The file's name.</summary>
    public const string FileName = "generation_config.json";

    private const string EndTokensField = "eos_token_id";

    /// <summary>The end tokens that the configuration names: those of this file where it names some, else those of the model's.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="config">The model's configuration file, if its format may name end tokens.</param>
    /// <param name="vocabSize">Tokens of the vocabulary.</param>
    /// <param name="warnings">Receives those that lie outside it.</param>
    /// <returns>The tokens in ascending order; none where no file names any.</returns>
    /// <exception cref="CheckpointException">A value is no token.</exception>
    public static IReadOnlyList<int> EndTokens(string folder, JsonSettings? config, int vocabSize, List<string> warnings)
    {
        var generation = JsonSettings.ReadIfThere(Path.Combine(folder, FileName));
        IReadOnlyList<int>? named = generation?.Tokens(EndTokensField, vocabSize, warnings);
        if (named is not { Count: > 0 }) named = config?.Tokens(EndTokensField, vocabSize, warnings);
        return [.. (named ?? []).Distinct().Order()];
    }

    /// <summary>The recommended way to sample; what the file leaves open has OpenAI's defaults.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <exception cref="CheckpointException">A value is out of range.</exception>
    public static SamplingParameters Sampling(string folder)
    {
        var defaults = new SamplingParameters();
        if (JsonSettings.ReadIfThere(Path.Combine(folder, FileName)) is not { } file) return defaults;
        return defaults with
        {
            Temperature = file.Flag("do_sample") == false ? 0 : (float)(file.Number("temperature", 0, ConfigLimits.Temperature) ?? defaults.Temperature),
            TopK = file.Whole("top_k", 0, int.MaxValue) ?? defaults.TopK,
            TopP = (float)(file.Positive("top_p", 1) ?? defaults.TopP),
            MinP = (float)(file.Number("min_p", 0, 1) ?? defaults.MinP),
        };
    }
}
