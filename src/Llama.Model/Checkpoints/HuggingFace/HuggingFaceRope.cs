using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.HuggingFace;

/// <summary>The scaling of rotary frequencies in a <c>config.json</c>, as transformers 5 reads it (<c>modeling_rope_utils.py</c>).</summary>
/// <param name="Scaling">Llama 3.1's.</param>
/// <param name="Factors">What frequencies are divided by in other kinds.</param>
/// <param name="Magnitude">What cosines and sines are multiplied with.</param>
internal readonly record struct HuggingFaceRope(RopeScaling? Scaling, RopeFactors? Factors, float Magnitude)
{
    private const string OriginalContext = "original_max_position_embeddings";

    /// <summary>The base of the frequencies.</summary>
    public static double Theta(JsonSettings file) =>
        Parameters(file)?.Positive("rope_theta", ConfigLimits.RopeTheta) ?? file.Positive("rope_theta", ConfigLimits.RopeTheta) ?? 10_000;

    /// <summary>Reads the scaling.</summary>
    /// <param name="file">The configuration.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <exception cref="CheckpointException">A field is missing or of another kind, or the scaling is not supported.</exception>
    public static HuggingFaceRope Read(JsonSettings file, int headDim)
    {
        if (Parameters(file) is not { } rope) return new(null, null, 1);
        const string Known = "default, linear, yarn or llama3";
        string field = rope.Has("rope_type") ? "rope_type" : "type";
        return rope.Text(field) switch
        {
            null or "default" => new(null, null, 1),
            "linear" => new(null, RopeFactors.Same(headDim, Factor(rope)), 1),
            "llama3" => new(Llama3(rope), null, 1),
            "yarn" => Yarn(file, rope, headDim),
            "dynamic" => throw rope.Wrong(
                field, $"{Known}: with dynamic scaling a key depends on how long the text becomes after it, so nothing computed could be kept"),
            _ => throw rope.Wrong(field, Known),
        };
    }

    private static JsonSettings? Parameters(JsonSettings file) => file.Object("rope_parameters") ?? file.Object("rope_scaling");

    private static double Factor(JsonSettings rope) => rope.Positive("factor", ConfigLimits.RopeFactor) ?? throw rope.Missing("factor");

    private static RopeScaling Llama3(JsonSettings rope)
    {
        double factor = Factor(rope);
        double low = rope.Positive("low_freq_factor", ConfigLimits.RopeFactor) ?? throw rope.Missing("low_freq_factor");
        double high = rope.Positive("high_freq_factor", ConfigLimits.RopeFactor) ?? throw rope.Missing("high_freq_factor");
        int original = rope.Whole(OriginalContext, 1, ConfigLimits.ContextLength) ?? throw rope.Missing(OriginalContext);
        if (factor < 1) throw rope.Wrong("factor", "a number of at least 1");
        if ((float)high <= (float)low) throw rope.Wrong("high_freq_factor", $"more than low_freq_factor, {low}");
        return new RopeScaling((float)factor, (float)low, (float)high, original);
    }

    private static HuggingFaceRope Yarn(JsonSettings file, JsonSettings rope, int headDim)
    {
        int? most = file.Whole("max_position_embeddings", 1, ConfigLimits.ContextLength);
        int original = file.Whole(OriginalContext, 1, ConfigLimits.ContextLength)
            ?? rope.Whole(OriginalContext, 1, ConfigLimits.ContextLength)
            ?? most
            ?? throw rope.Missing(OriginalContext);
        double factor = rope.Positive("factor", ConfigLimits.RopeFactor) ?? (double)(most ?? throw rope.Missing("factor")) / original;
        double scale = Optional("mscale"), allScale = Optional("mscale_all_dim");
        double? magnitude = rope.Positive("attention_factor", ConfigLimits.RopeFactor);
        magnitude ??= scale != 0 && allScale != 0
            ? YarnScaling.Magnitude(factor, scale) / YarnScaling.Magnitude(factor, allScale)
            : YarnScaling.Magnitude(factor);
        var yarn = new YarnScaling
        {
            Factor = factor,
            OriginalContext = original,
            BetaFast = rope.Positive("beta_fast", YarnScaling.MostRotations) ?? 32,
            BetaSlow = rope.Positive("beta_slow", YarnScaling.MostRotations) ?? 1,
            Truncate = rope.Flag("truncate") ?? true,
        };
        return new(null, yarn.Factors(file.Path, headDim, Theta(file)), (float)magnitude);

        double Optional(string field) => rope.Number(field, 0, ConfigLimits.RopeFactor) ?? 0;
    }
}
