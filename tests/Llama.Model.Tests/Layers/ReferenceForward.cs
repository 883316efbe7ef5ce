namespace Llama.Model.Tests.Layers;

/// <summary>
/// The forward pass in double precision, in plain loops from the published formulas and from tensors as Hugging Face names and orders them.
/// It shares nothing with what it checks.
/// </summary>
/// <param name="config">The model.</param>
/// <param name="tensors">Its tensors by name; a bias that is not there is none.</param>
/// <param name="frequency">The rotary frequency of a pair where the model scales it.</param>
/// <param name="magnitude">What cosines and sines are multiplied with.</param>
internal sealed class ReferenceForward(
    ModelConfig config, IReadOnlyDictionary<string, (int[] Shape, float[] Values)> tensors, Func<int, double>? frequency = null, double magnitude = 1)
{
    private readonly List<double[]>[] keys = [.. Enumerable.Range(0, config.Layers).Select(_ => new List<double[]>())];
    private readonly List<double[]>[] values = [.. Enumerable.Range(0, config.Layers).Select(_ => new List<double[]>())];

    /// <summary>Logits after one more token.</summary>
    public double[] Next(int token)
    {
        int position = keys[0].Count;
        double[] hidden = [.. tensors["model.embed_tokens.weight"].Values.Skip(token * config.Dim).Take(config.Dim).Select(value => (double)value)];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            double[] normed = Norm(hidden, prefix + "input_layernorm");
            double[] queries = Rotate(Product(normed, prefix + "self_attn.q_proj"), position);
            keys[layer].Add(Rotate(Product(normed, prefix + "self_attn.k_proj"), position));
            values[layer].Add(Product(normed, prefix + "self_attn.v_proj"));
            Add(hidden, Product(Attend(layer, queries), prefix + "self_attn.o_proj"));
            normed = Norm(hidden, prefix + "post_attention_layernorm");
            double[] gate = Product(normed, prefix + "mlp.gate_proj"), up = Product(normed, prefix + "mlp.up_proj");
            for (int i = 0; i < gate.Length; i++) gate[i] = gate[i] / (1 + Math.Exp(-gate[i])) * up[i];
            Add(hidden, Product(gate, prefix + "mlp.down_proj"));
        }

        return Product(Norm(hidden, "model.norm"), "lm_head");
    }

    private static void Add(double[] target, double[] source)
    {
        for (int i = 0; i < target.Length; i++) target[i] += source[i];
    }

    private double[] Product(double[] input, string name)
    {
        (int[] shape, float[] weights) = tensors[name + ".weight"];
        float[]? bias = tensors.TryGetValue(name + ".bias", out (int[] Shape, float[] Values) found) ? found.Values : null;
        double[] output = new double[shape[0]];
        for (int row = 0; row < output.Length; row++)
        {
            double sum = bias?[row] ?? 0;
            for (int i = 0; i < input.Length; i++) sum += weights[(row * shape[1]) + i] * input[i];
            output[row] = sum;
        }

        return output;
    }

    private double[] Norm(double[] input, string name)
    {
        float[] weights = tensors[name + ".weight"].Values;
        double square = 0;
        foreach (double value in input) square += value * value;
        double scale = 1 / Math.Sqrt((square / input.Length) + config.NormEps);
        return [.. input.Select((value, i) => value * scale * weights[i])];
    }

    /// <summary>Elements i and i + headDim / 2 of a head turn together.</summary>
    private double[] Rotate(double[] heads, int position)
    {
        int half = config.HeadDim / 2;
        double[] rotated = new double[heads.Length];
        for (int head = 0; head < heads.Length; head += config.HeadDim)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = position * (frequency?.Invoke(i) ?? Math.Pow(config.RopeTheta, -2.0 * i / config.HeadDim));
                double cos = magnitude * Math.Cos(angle), sin = magnitude * Math.Sin(angle);
                double re = heads[head + i], im = heads[head + half + i];
                rotated[head + i] = (re * cos) - (im * sin);
                rotated[head + half + i] = (im * cos) + (re * sin);
            }
        }

        return rotated;
    }

    private double[] Attend(int layer, double[] queries)
    {
        double[] output = new double[queries.Length];
        for (int head = 0; head < config.Heads; head++)
        {
            int query = head * config.HeadDim, key = head / (config.Heads / config.KvHeads) * config.HeadDim;
            double[] scores = new double[keys[layer].Count];
            for (int p = 0; p < scores.Length; p++)
            {
                for (int i = 0; i < config.HeadDim; i++) scores[p] += queries[query + i] * keys[layer][p][key + i];
                scores[p] /= Math.Sqrt(config.HeadDim);
            }

            double most = scores.Max(), sum = scores.Sum(score => Math.Exp(score - most));
            for (int p = 0; p < scores.Length; p++)
            {
                for (int i = 0; i < config.HeadDim; i++) output[query + i] += Math.Exp(scores[p] - most) / sum * values[layer][p][key + i];
            }
        }

        return output;
    }
}
