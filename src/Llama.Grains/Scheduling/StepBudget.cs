namespace Llama.Grains.Scheduling;

/// <summary>
/// How many tokens of prompts a step may carry. Measured are two times at the slowest stage: that of a step which only decodes, d, and what
/// each prompt token adds, t. While sequences decode, a step may take as long as <see cref="DecodeSteps"/> steps that only decode, so a long
/// prompt slows the others down by at most that factor; and what there is of prompts is spread over as many steps as there are stages,
/// because steps of unlike size leave stages idle. While none decodes, only the prompts' own time counts: with P stages, a prompt of L
/// tokens in parts of c takes L/c + P - 1 times d + c·t, which is least for c = √(L·d / ((P-1)·t)).
/// </summary>
/// <param name="fixedTokens">Tokens of a step, if they are not to be measured.</param>
/// <param name="maxStepTokens">Most tokens that every stage takes.</param>
internal sealed class StepBudget(int? fixedTokens, int maxStepTokens)
{
    /// <summary>How much longer a step with prompt tokens may take than one without.</summary>
    public const int DecodeSteps = 8;

    /// <summary>Fewer are not worth a step, and so many always go: a prompt never stands still.</summary>
    public const int Least = BlockPool.BlockTokens;

    /// <summary>A stage must take so many tokens a step: beside the prompt's part, some sequences that decode.</summary>
    public const int LeastStepTokens = 2 * Least;

    /// <summary>Fewer count as so many when they are spread: of a short prompt, every part that waits for another step costs more.</summary>
    private const int LeastBacklog = 128;

    private const int BeforeMeasured = 128;
    private const double NewestWeight = 0.1;

    private double decodeSeconds;
    private double promptTokenSeconds;

    /// <summary>Time of a step that only decodes, d; 0 before it was measured.</summary>
    public double DecodeSeconds => decodeSeconds;

    /// <summary>Time that each token of a prompt adds, t; 0 before it was measured.</summary>
    public double PromptTokenSeconds => promptTokenSeconds;

    /// <summary>Takes the time of a step.</summary>
    /// <param name="seconds">Its time at the slowest stage.</param>
    /// <param name="promptTokens">Tokens of prompts in it.</param>
    public void Measure(double seconds, int promptTokens)
    {
        if (promptTokens == 0) Mix(ref decodeSeconds, seconds);
        else if (decodeSeconds > 0 || promptTokens > Least) Mix(ref promptTokenSeconds, (seconds - decodeSeconds) / promptTokens);
    }

    /// <summary>Tokens of prompts for the next step.</summary>
    /// <param name="inStep">Sequences that decode in the step.</param>
    /// <param name="decoding">Sequences that decode at present, in this step or another.</param>
    /// <param name="promptTokens">Length of the prompt that is next.</param>
    /// <param name="backlog">Tokens of prompts that could go into this step and later ones.</param>
    /// <param name="stages">Stages of the pipeline.</param>
    public int PromptTokens(int inStep, int decoding, int promptTokens, int backlog, int stages)
    {
        int most = maxStepTokens - inStep;
        if (fixedTokens is { } tokens) return Math.Clamp(tokens - inStep, Math.Min(Least, most), most);
        if (decoding == 0 && stages == 1) return most;
        if (decodeSeconds <= 0 || promptTokenSeconds <= 0) return Math.Min(BeforeMeasured, most);
        int spread = Math.Max(LeastBacklog, Math.Max(promptTokens, backlog)) / stages;
        double best = decoding > 0
            ? Math.Min((DecodeSteps - 1) * decodeSeconds / promptTokenSeconds, spread)
            : Math.Sqrt(promptTokens * decodeSeconds / ((stages - 1) * promptTokenSeconds));
        int whole = ((int)Math.Min(best, most) + Least - 1) / Least * Least;
        return Math.Clamp(whole, Math.Min(Least, most), most);
    }

    private static void Mix(ref double average, double value)
    {
        if (value <= 0) return;
        average = average == 0 ? value : average + (NewestWeight * (value - average));
    }
}
