using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Bench.Run;
using Llama.Grains.Scheduling;

namespace Llama.Bench.Simulate;

/// <summary>Options of <c>Llama.Bench simulate</c>.</summary>
[Description("Runs the scheduler in virtual time, with a model of stage times instead of stages.")]
public sealed record SimulateOptions
{
    private const string Numbers = "[0-9]{1,7}(,[0-9]{1,7})*";

    /// <summary>Stages.</summary>
    [Description("Stages of the pipeline, one or several numbers.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 2,4,8")]
    public string Stages { get; init; } = "2,4,8,16,32,64";

    /// <summary>Clients.</summary>
    [Description("Clients, each of which asks again as soon as it has its answer.")]
    [RegularExpression(Numbers, ErrorMessage = "numbers like 1,100,10000")]
    public string Clients { get; init; } = "1,8,64,512,10000";

    /// <summary>Mean prompt length.</summary>
    [Description("Mean length of a prompt in tokens; half to one and a half of it, evenly.")]
    [Range(2, 50_000)]
    public int Prompt { get; init; } = 250;

    /// <summary>Mean answer length.</summary>
    [Description("Mean length of an answer in tokens; half to one and a half of it, evenly.")]
    [Range(2, 50_000)]
    public int Generate { get; init; } = 250;

    /// <summary>Answers measured.</summary>
    [Description("Answers that are measured, after half as many that are not; at least one for each client.")]
    [Range(1, 10_000_000)]
    public int Requests { get; init; } = 1000;

    /// <summary>KV blocks for each stage.</summary>
    [Description("KV blocks of 16 tokens for each stage that there is: with more stages, each has fewer layers and room for more.")]
    [Range(1, 1_000_000)]
    public int Blocks { get; init; } = 1024;

    /// <summary>Time of the weights.</summary>
    [Description("Milliseconds to go over all weights once, in all stages together.")]
    [Range(0.001, 100_000.0)]
    public float WeightsTime { get; init; } = 100;

    /// <summary>Time of a token.</summary>
    [Description("Milliseconds that each token adds, in all stages together.")]
    [Range(0.0, 10_000.0)]
    public float TokenTime { get; init; } = 2;

    /// <summary>Time of a link.</summary>
    [Description("Milliseconds from one process to the next.")]
    [Range(0.0, 10_000.0)]
    public float LinkTime { get; init; } = 0.1f;

    /// <summary>Tokens of a step.</summary>
    [Description("Tokens of one step at most, if not chosen from the times.")]
    [Range(16, 256)]
    public int? StepTokens { get; init; }

    /// <summary>What chance begins with.</summary>
    [Description("Seed of all that is random.")]
    public int Seed { get; init; } = 1;

    /// <summary>Random arrivals to explore.</summary>
    [Description("Instead of the table, so many random arrivals in small worlds, whose every token is checked; 0 for the table.")]
    [Range(0, 100_000_000)]
    public int Explore { get; init; }

    /// <summary>Where plots go.</summary>
    [Description("Folder for plots as SVG files; none if not given.")]
    public string? Plots { get; init; }

    /// <summary>The numbers of stages.</summary>
    internal IReadOnlyList<int> StageCounts => RunOptions.List(Stages);

    /// <summary>The numbers of clients.</summary>
    internal IReadOnlyList<int> ClientCounts => RunOptions.List(Clients);

    /// <summary>How long steps take.</summary>
    internal StageTimes Times => new(WeightsTime / 1e3, TokenTime / 1e3, LinkTime / 1e3);

    /// <summary>The scheduler's limits: any number may wait.</summary>
    internal SchedulerLimits Limits => new() { MaxWaiting = int.MaxValue, MaxWaitingTokens = int.MaxValue, StepTokens = StepTokens };
}
