namespace Llama.Model.Layers;

/// <summary>How far a layer range is, as seen from outside at some moment.</summary>
/// <param name="Step">Number of the step that began last; 0 before the first.</param>
/// <param name="Layers">Layers that have been computed, of all steps since the range was loaded.</param>
/// <param name="Steps">Steps that run or are queued.</param>
/// <param name="LayerTime">What computing these layers took, in all.</param>
public readonly record struct RangeProgress(ulong Step, long Layers, int Steps, TimeSpan LayerTime);
