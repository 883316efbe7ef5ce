using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Llama.Grains.Settings;

namespace Llama.Bench.Run;

/// <summary>Options of <c>Llama.Bench run</c>.</summary>
[Description("Measures prefill and decode of a model in this process, beside what the machine can do.")]
public sealed record RunOptions
{
    private const string Numbers = "[0-9]{1,7}(,[0-9]{1,7})*";

    /// <summary>Where the model lies.</summary>
    [Description("The model's checkpoint on this machine: a folder or a .gguf file.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Compute threads.</summary>
    [Description("Compute threads, one or several numbers.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 1,2")]
    public string Threads { get; init; } = "1";

    /// <summary>Prompt lengths.</summary>
    [Description("Lengths of the prompts whose prefill is measured, in tokens; 0 for none.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 128,512")]
    public string Prompt { get; init; } = "512";

    /// <summary>Tokens to generate.</summary>
    [Description("Tokens that each sequence generates; 0 for none.")]
    [Range(0, 100_000)]
    public int Generate { get; init; } = 64;

    /// <summary>Sequences that decode together.</summary>
    [Description("Sequences that decode together.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 1,4,8")]
    public string Batch { get; init; } = "1";

    /// <summary>Positions before the measured ones.</summary>
    [Description("Positions that every sequence has before what is measured.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 0,2048")]
    public string Depth { get; init; } = "0";

    /// <summary>Type that keys and values are kept in.</summary>
    [Description("Type that keys and values are kept in.")]
    [KvType]
    public string KvType { get; init; } = "f32";

    /// <summary>The vectors that kernels use.</summary>
    [Description("Vectors that products use: avx2, avx512, or auto for what is fastest here; results have the same bits.")]
    [Instructions]
    public string Instructions { get; init; } = "auto";

    /// <summary>Measured repetitions.</summary>
    [Description("Measured repetitions of each test, after one that is not.")]
    [Range(1, 1000)]
    public int Repetitions { get; init; } = 5;

    /// <summary>Whether to print JSON.</summary>
    [Description("Print one JSON object a line instead of a table.")]
    public bool Json { get; init; }

    /// <summary>The numbers of a list such as <c>1,2</c>.</summary>
    public static IReadOnlyList<int> List(string numbers) =>
        [.. numbers.Split(',').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
}
