using Llama.Grains.Links;
using Llama.Grains.Placement;
using Llama.Model.Layers;

namespace Llama.Grains.Gateway;

/// <summary>An open pipeline, as its scheduler sees it: steps go in, results come out in the same order, until it is lost.</summary>
internal interface IPipeline
{
    /// <summary>Stages: as many steps can be computed at once.</summary>
    int Stages { get; }

    /// <summary>Blocks in every stage's KV pool.</summary>
    int KvBlocks { get; }

    /// <summary>Most tokens of a step: as many as every stage takes.</summary>
    int MaxStepTokens { get; }

    /// <summary>The plan that it belongs to.</summary>
    ulong Epoch { get; }

    /// <summary>
    /// The layers whose KV blocks are lost, where the others kept those of the pipeline before, none of them perhaps; null when the stages
    /// hold nothing.
    /// </summary>
    LayerSpan? LostLayers { get; }

    /// <summary>
    /// The blocks of the pipeline before that go on in this one, in the order of their new numbers; null when the numbers, and how many
    /// there are, stay as they are.
    /// </summary>
    IReadOnlyList<int>? Carried { get; }

    /// <summary>Whether it ended because its layers moved to other silos, and nothing is to blame.</summary>
    bool Retired { get; }

    /// <summary>Whether bits depend on the shapes of its steps, too, so that these are recorded and repeated.</summary>
    bool RepeatsShapes { get; }

    /// <summary>Queues a step, at most two for each stage. It must not change until its result is there.</summary>
    void Send(Step step);

    /// <summary>Ends the pipeline: its last stage answered nonsense, and counts as lost.</summary>
    void Reject(string reason);

    /// <summary>Ends the pipeline, and none of its stages is to blame.</summary>
    void Fail(string reason);

    /// <summary>Says who hears of results and of the end, each called once at a time; results may come at once.</summary>
    /// <param name="onResult">A step is done.</param>
    /// <param name="onLost">The pipeline ended; no result follows.</param>
    void Start(Action<StepResult> onResult, Action<string> onLost);
}
