#include "retort/data/places.h"
#include "retort/data/sources.h"

namespace retort {

namespace {

// MNIST's own site refuses downloads; these two mirrors serve the original files.
Download mnist_file(const std::string& file, const std::string& sha256, int64_t bytes) {
  return {{"https://ossci-datasets.s3.amazonaws.com/mnist/" + file, "https://storage.googleapis.com/cvdf-datasets/mnist/" + file},
          file,
          sha256,
          bytes};
}

Download sklearn_file(const std::string& file) {
  return {{"https://raw.githubusercontent.com/scikit-learn/scikit-learn/main/sklearn/datasets/data/" + file}, file, {}, 0};
}

std::vector<std::string> ten_digits() { return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; }

std::vector<KnownSet> make_table() {
  std::vector<KnownSet> sets;
  sets.push_back({"digits",
                  "images",
                  "1,797 hand-written digits, 8x8 grey, 10 classes; shipped",
                  "CC BY 4.0 (UCI, Alpaydin and Kaynak 1998)",
                  {"digits"},
                  {},
                  {},
                  {},
                  {},
                  ten_digits()});
  sets.push_back({"mnist",
                  "images",
                  "60,000 + 10,000 hand-written digits, 28x28 grey, 10 classes",
                  "no stated licence (LeCun, Cortes, Burges)",
                  {"mnist"},
                  {mnist_file("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422),
                   mnist_file("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
                   mnist_file("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
                   mnist_file("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542)},
                  {},
                  {},
                  {},
                  ten_digits()});
  sets.push_back({"cifar-10",
                  "images",
                  "50,000 + 10,000 photographs, 32x32 colour, 10 classes",
                  "no stated licence (Krizhevsky 2009)",
                  {"cifar-10-batches-bin", "cifar-10"},
                  {{{"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"},
                    "cifar-10-binary.tar.gz",
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    170052171}},
                  {},
                  {},
                  {},
                  {}});
  sets.push_back({"cifar-100",
                  "images",
                  "50,000 + 10,000 photographs, 32x32 colour, 100 classes",
                  "no stated licence (Krizhevsky 2009)",
                  {"cifar-100-binary", "cifar-100"},
                  {{{"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"},
                    "cifar-100-binary.tar.gz",
                    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                    168513733}},
                  {},
                  {},
                  {},
                  {}});
  const std::string mr = "https://raw.githubusercontent.com/yoonkim/CNN_sentence/master/rt-polarity.";
  sets.push_back({"mr",
                  "texts",
                  "5,331 negative and 5,331 positive sentences of film reviews",
                  "no stated licence (Pang and Lee 2005)",
                  {"mr"},
                  {{{mr + "neg"}, "rt-polarity.neg", {}, 0}, {{mr + "pos"}, "rt-polarity.pos", {}, 0}},
                  {},
                  {},
                  {},
                  {}});
  // The columns that are known when a defendant is scored; the file's other columns are dates, texts, or tell the outcome.
  sets.push_back(
      {"compas",
       "table",
       "7,214 defendants, two-year recidivism, 9 features",
       "no stated licence (ProPublica 2016)",
       {"compas/compas-scores-two-years.csv"},
       {{{"https://raw.githubusercontent.com/propublica/compas-analysis/master/compas-scores-two-years.csv"},
         "compas-scores-two-years.csv",
         {},
         0}},
       "two_year_recid",
       {"sex", "age", "age_cat", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count", "c_charge_degree"},
       {},
       {}});
  sets.push_back({"adult",
                  "table",
                  "32,561 rows of census income, 14 features, 2 classes, missing values",
                  "CC BY 4.0 (UCI, Becker and Kohavi 1996)",
                  {"adult/adult.data"},
                  {{{"https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data"}, "adult.data", {}, 0}},
                  {},
                  {},
                  {"age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
                   "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"},
                  {}});
  sets.push_back({"breast-cancer",
                  "table",
                  "569 tumours, 30 features, 2 classes",
                  "CC BY 4.0 (UCI, Wolberg et al. 1995)",
                  {"uci/breast_cancer.csv"},
                  {sklearn_file("breast_cancer.csv")},
                  {},
                  {},
                  {},
                  {}});
  sets.push_back({"wine",
                  "table",
                  "178 wines, 13 features, 3 classes",
                  "CC BY 4.0 (UCI, Aeberhard and Forina 1991)",
                  {"uci/wine_data.csv"},
                  {sklearn_file("wine_data.csv")},
                  {},
                  {},
                  {},
                  {}});
  sets.push_back({"iris",
                  "table",
                  "150 flowers, 4 features, 3 classes",
                  "CC BY 4.0 (UCI, Fisher 1936)",
                  {"uci/iris.csv"},
                  {sklearn_file("iris.csv")},
                  {},
                  {},
                  {},
                  {}});
  return sets;
}

}  // namespace

const std::vector<KnownSet>& known_sets() {
  static const std::vector<KnownSet> sets = make_table();
  return sets;
}

const KnownSet* find_known(const std::string& name) {
  for (const auto& set : known_sets())
    if (set.name == name) return &set;
  return nullptr;
}

}  // namespace retort
